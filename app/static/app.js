// The one script of our pages: asks our server for fragments of HTML, with a fresh token
// from Jira each time, and carries what a person does there back to it.
"use strict";

(() => {
  const ANSWER_MS = 10_000; // how long Jira's page around us may take to answer
  const CHECK_MS = 150; // how long typing must rest before a rule is checked
  const STILL_MS = 500; // how long nothing may move once somebody reaches for Jira's button
  const POLL_MS = 3_000; // how often the configuration page looks for news
  const ROOM = 900_000; // bytes that a preview posts; the server takes a little more

  const { base, view } = document.body.dataset;
  const page = document.getElementById("page");
  const announcer = document.getElementById("announcer");

  /** A call that did not end well; `kind` names the state that the page shows. */
  class Failure extends Error {
    constructor(kind) {
      super(kind);
      this.kind = kind;
    }
  }

  // --- the host: all that we ask of the product around us; Forge can be a second one

  function connectHost(AP) {
    const ask = (question) =>
      new Promise((resolve, reject) => {
        setTimeout(() => reject(new Failure("host")), ANSWER_MS);
        question(resolve, () => reject(new Failure("host")));
      });
    const rule = () => AP.jira.WorkflowConfiguration;
    return {
      getToken: () => ask((done) => AP.context.getToken(done)),
      getConfiguration: () => ask((done) => AP.jira.getWorkflowConfiguration(done)),
      onSave: (answer) => rule().onSave(answer),
      onSaveValidation: (answer) => rule().onSaveValidation(answer),
      /** Read Jira's REST API with the viewer's own permissions. */
      read: (url) =>
        ask((done, fail) =>
          AP.request({ url, type: "GET", success: (text) => done(JSON.parse(text)), error: fail }),
        ),
      resize: () => AP.resize(),
      theme: () => AP.theming?.initializeTheming(),
    };
  }

  /** Call our server. The token is fresh, and travels in a header only. */
  async function call(method, path, body, signal) {
    const headers = { Authorization: `JWT ${await host.getToken()}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(`${base}/api/v1/${path}`, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "omit",
        cache: "no-store",
        redirect: "error",
        signal,
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failure("unreachable");
    }
    if (response.status === 401) throw new Failure("refused");
    if (response.status === 403) throw new Failure("forbidden");
    if (response.status >= 500) throw new Failure("unreachable");
    return response;
  }

  async function fragment(method, path, body) {
    const response = await host.call(method, path, body);
    if (!response.ok) throw new Failure("failed");
    return response.text();
  }

  // --- the page: its states, its times, what it says aloud

  const clone = (id) => document.getElementById(id).content.cloneNode(true);

  function showState(kind) {
    page.replaceChildren(clone(`state-${kind}`));
    page.removeAttribute("aria-busy");
  }

  function show(html) {
    page.innerHTML = html; // made by our server, every value in it escaped
    page.removeAttribute("aria-busy");
    localiseTimes(page);
  }

  function say(text) {
    announcer.textContent = text;
  }

  function localiseTimes(within) {
    const style = { dateStyle: "medium", timeStyle: "medium" };
    const format = new Intl.DateTimeFormat(undefined, style);
    for (const time of within.querySelectorAll("time[datetime]")) {
      time.textContent = format.format(new Date(time.dateTime));
    }
  }

  // --- forms: every part is named as the server names it, so that problems find it

  const form = () => page.querySelector("form[data-scope]");
  const all = (selector, within = form()) => [...within.querySelectorAll(selector)];
  const scopeOf = (field) => field.closest("[data-scope]");
  const fieldsOf = (scope) => all("[data-key]", scope).filter((f) => scopeOf(f) === scope);

  function nameField(field) {
    const scope = scopeOf(field).dataset.scope;
    const path = scope ? `${scope}.${field.dataset.key}` : field.dataset.key;
    field.dataset.path = path;
    const hint = field.querySelector(".hint");
    const problem = field.querySelector(".problem");
    if (hint) hint.id = `${path}-hint`;
    problem.id = `${path}-problem`;
    const controls = all("input, select, textarea", field);
    controls.forEach((control, at) => {
      control.id = controls.length > 1 ? `${path}-${at}` : path;
      if (control.type === "radio") control.name = path;
      const described = [hint?.id, problem.hidden ? null : problem.id].filter(Boolean);
      control.setAttribute("aria-describedby", described.join(" "));
    });
    const label = field.querySelector("label:not(:has(input))");
    if (label) label.htmlFor = controls[0].id;
  }

  const controlOf = (field) =>
    field.querySelector("input:checked, input:not([type=radio]), select, textarea");

  function valueOf(field) {
    const control = controlOf(field);
    const text = control?.value;
    switch (field.dataset.kind) {
      case "flag":
        return control.checked;
      case "checks":
        return all("input:checked", field).map((box) => box.value);
      case "pairs":
        return asObject(pairsOf(field).filter((pair) => pair.some((part) => part.trim())));
      case "headers":
        return pairsOf(field);
      case "optional":
        return text.trim() ? text : undefined;
      case "lines":
        return text.split("\n").filter((line) => line.trim());
      case "text-or-list":
        return asJson(text, Array.isArray);
      case "json":
        return asJson(text, () => true);
      default:
        return text;
    }
  }

  /** Name and text of each row; none for what is kept as long as nothing is typed. */
  function pairsOf(field) {
    return all("[data-pair]", field).map((row) => {
      const [name, text] = all("input", row).map((input) => input.value);
      return [name.trim(), "kept" in row.dataset && !text ? null : text];
    });
  }

  /** Two of one name stay pairs, which the server refuses: as an object one would be lost. */
  function asObject(pairs) {
    if (!pairs.length) return undefined;
    const names = new Set(pairs.map(([name]) => name));
    return names.size < pairs.length ? pairs : Object.fromEntries(pairs);
  }

  function asJson(text, accepts) {
    try {
      const value = JSON.parse(text);
      return accepts(value) ? value : text;
    } catch {
      return text;
    }
  }

  function read(scope) {
    const entries = fieldsOf(scope)
      .filter((field) => !field.hidden)
      .map((field) => [field.dataset.key, valueOf(field)]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  function fieldFor(key) {
    const fields = all("[data-key]").filter((field) => !field.hidden);
    const named = (field) => {
      const { path } = field.dataset;
      return key === path || key.startsWith(`${path}.`) || key.startsWith(`${path}[`);
    };
    return fields.find(named);
  }

  const ended = (text) => text + (/[.!?]$/.test(text) ? "" : ".");
  const asSentence = (text) => text && text[0].toUpperCase() + ended(text).slice(1);

  function setProblem(field, message) {
    const problem = field.querySelector(".problem");
    problem.hidden = !message;
    problem.querySelector("span").textContent = asSentence(message);
    for (const control of all("input, select, textarea", field)) {
      if (message) control.setAttribute("aria-invalid", "true");
      else control.removeAttribute("aria-invalid");
    }
    nameField(field);
  }

  /** Put each problem under the field it names; return how many may be shown yet. */
  function placeProblems(problems, mayShow = () => true) {
    for (const field of all("[data-key]")) setProblem(field, "");
    const elsewhere = [];
    let shown = 0;
    for (const { key, message } of problems) {
      const field = fieldFor(key);
      if (!mayShow(field)) continue;
      shown += 1;
      if (field) setProblem(field, message);
      else elsewhere.push(key && key !== "steps" ? `${key}: ${message}` : asSentence(message));
    }
    const list = document.getElementById("other-problems");
    list.hidden = !elsewhere.length;
    list.querySelector("ul").replaceChildren(...elsewhere.map(listItem));
    return shown;
  }

  const listItem = (textContent) => Object.assign(document.createElement("li"), { textContent });

  /** Say beside the button why it did not save. */
  function notSaved(why) {
    const box = document.getElementById("not-saved");
    box.textContent = why;
    box.hidden = !why;
  }

  function edited(field) {
    if (form().id === "rule") changed();
    else nameField(field);
  }

  const pairing = {
    "add-pair": (button) => {
      const field = button.closest("[data-key]");
      const rows = field.querySelector(".pairs");
      rows.append(clone(button.dataset.template));
      edited(field);
      rows.lastElementChild.querySelector("input").focus();
    },
    "remove-pair": (button) => {
      const field = button.closest("[data-key]");
      button.closest("[data-pair]").remove();
      edited(field);
      field.querySelector("[data-action=add-pair]").focus();
      say("Removed.");
    },
  };

  // --- the rule editor

  const rule = {
    change: 0, // counts what the person did
    checked: -1, // the change that the server judged last
    stored: "", // what Jira keeps now
    value: null, // the text to store, exactly as the server wrote it; null: not valid
    summary: "",
    problems: [],
    hints: [],
    showAll: false,
    stillUntil: 0, // when what was judged may be shown, and the page change its height
    timer: 0,
    stop: null, // ends the check under way
  };

  const rowsOf = (group) => all(`[data-group="${group}"] [data-row]`);
  const GROUPS = ["all", "any", "none"];

  /** Name every part of the form as the server names it: `steps[1].body`. */
  function namePaths() {
    for (const group of GROUPS) {
      rowsOf(group).forEach((row, at) => (row.dataset.scope = `when.${group}[${at}]`));
      document.getElementById(`group-${group}`).hidden = !rowsOf(group).length;
    }
    const steps = all("[data-step]");
    steps.forEach((step, at) => {
      step.dataset.scope = `steps[${at}]`;
      const title = `step ${at + 1}, ${step.dataset.title}`;
      for (const button of all(".step-head [data-action]", step)) {
        button.setAttribute("aria-label", `${button.title}: ${title}`);
      }
      step.querySelector('[data-action="up"]').disabled = at === 0;
      step.querySelector('[data-action="down"]').disabled = at === steps.length - 1;
    });
    document.getElementById("always").hidden = Boolean(all("[data-row]").length);
    document.getElementById("no-steps").hidden = Boolean(steps.length);
    for (const field of all("[data-key]")) nameField(field);
  }

  /** Hide what the other choices make meaningless; what is hidden is not collected. */
  function hideUnused() {
    const mode = form().querySelector('[data-key="mode"] input:checked').value;
    form().querySelector("#on-failure > [data-key=transition]").hidden = mode === "report";
    const hold = document.getElementById("hold");
    hold.hidden = mode !== "gate";
    for (const field of fieldsOf(hold)) field.hidden = hold.hidden;
    for (const row of all("[data-row]")) {
      const op = row.querySelector("[data-key=op] select").value;
      row.querySelector("[data-key=value]").hidden = op === "is-empty" || op === "is-not-empty";
    }
  }

  function collect() {
    const { version, ruleId } = form().dataset;
    const collected = { v: Number(version), id: ruleId, ...read(form()) };
    const groups = GROUPS.map((group) => [group, rowsOf(group).map(read)]);
    const when = Object.fromEntries(groups.filter(([, rows]) => rows.length));
    if (Object.keys(when).length) collected.when = when;
    collected.steps = all("[data-step]").map((step) => ({ do: step.dataset.step, ...read(step) }));
    const success = read(document.getElementById("on-success"));
    if (success.transition) collected.on_success = success;
    collected.on_failure = read(document.getElementById("on-failure"));
    const hold = read(document.getElementById("hold"));
    if (Object.keys(hold).length) collected.hold = hold;
    return collected;
  }

  /** What was typed where JSON may stand: only there can the server tell it from text. */
  function typedJson() {
    const fields = all("[data-kind=json]");
    return Object.fromEntries(fields.map((field) => [field.dataset.path, controlOf(field).value]));
  }

  function changed() {
    rule.change += 1;
    notSaved("");
    if (document.getElementById("try-result").firstElementChild) trySays("stale");
    namePaths();
    hideUnused();
    clearTimeout(rule.timer);
    rule.timer = setTimeout(check, CHECK_MS);
  }

  /** Let the server judge the form as it is now; only its last answer counts. */
  async function check() {
    clearTimeout(rule.timer);
    rule.stop?.abort();
    rule.stop = new AbortController();
    const change = rule.change;
    try {
      const body = { rule: collect(), texts: typedJson() };
      const response = await host.call("POST", "rules/check", body, rule.stop.signal);
      const judged = await response.json();
      if (change !== rule.change) return;
      rule.checked = change;
      rule.value = response.ok ? judged.value : null;
      rule.summary = judged.summary ?? "";
      rule.problems = judged.problems ?? [];
      rule.hints = judged.hints ?? [];
      if (!response.ok && !rule.problems.length) throw new Failure("failed");
      showJudgement();
    } catch (error) {
      if (error.name === "AbortError" || change !== rule.change) return;
      rule.checked = -1;
      rule.value = null;
      sentence("unchecked", clone(`unchecked-${error.kind ?? "failed"}`).textContent.trim());
    }
  }

  function sentence(state, text) {
    const box = document.getElementById("sentence");
    if (box.dataset.state === state && box.textContent === text) return;
    box.dataset.state = state;
    box.textContent = text;
  }

  function showJudgement() {
    const wait = rule.stillUntil - performance.now();
    if (wait > 0) return void setTimeout(showJudgement, wait);
    const mayShow = (field) => rule.showAll || Boolean(field?.dataset.touched);
    const shown = placeProblems(rule.problems, mayShow);
    showHints();
    const pressed = !document.getElementById("not-saved").hidden;
    if (pressed) notSaved(rule.value === null ? form().dataset.fix : form().dataset.ready);
    if (rule.value !== null) {
      sentence("complete", rule.summary);
    } else if (!shown) {
      sentence("incomplete", form().dataset.missing + told(rule.problems[0]));
    } else {
      sentence("problems", shown === 1 ? "One thing to fix." : `${shown} things to fix.`);
    }
  }

  function showHints() {
    const list = document.getElementById("hints");
    list.replaceChildren(...rule.hints.map(listItem));
    list.hidden = !rule.hints.length;
  }

  /** Say a problem in one line, its place by the words of the form. */
  function told({ key, message }) {
    const field = fieldFor(key);
    if (!field) return ended(message);
    const label = field.querySelector("label, legend").firstChild.textContent.trim();
    const step = field.closest("[data-step]");
    let place = field.closest("[data-row]") ? "a condition, " : "";
    if (step) place = `step ${all("[data-step]").indexOf(step) + 1} (${step.dataset.title}), `;
    return ended(`${place}${label}: ${message}`);
  }

  /** Jira asks, and cannot wait: say yes only to what the server has judged. */
  function maySave() {
    if (!form()) return false;
    rule.showAll = true;
    rule.stillUntil = 0;
    if (rule.checked !== rule.change) {
      check();
      notSaved(form().dataset.checking);
      return false;
    }
    if (rule.value === null) {
      showJudgement();
      notSaved(form().dataset.fix);
      form().querySelector("[aria-invalid=true]")?.focus();
      return false;
    }
    return true;
  }

  function added(element) {
    changed();
    element.querySelector("input, select, textarea")?.focus();
  }

  function move(step, by) {
    const steps = all("[data-step]");
    const to = steps.indexOf(step) + by;
    if (by < 0) steps[to].before(step);
    else steps[to].after(step);
    changed();
    const [same, other] = by < 0 ? ["up", "down"] : ["down", "up"];
    const button = (name) => step.querySelector(`[data-action="${name}"]`);
    (button(same).disabled ? button(other) : button(same)).focus();
    say(`${step.dataset.title} is now step ${to + 1} of ${steps.length}.`);
  }

  function remove(part, selector, adder) {
    const parts = all(selector);
    const next = parts[parts.indexOf(part) + 1] ?? parts[parts.indexOf(part) - 1];
    part.remove();
    changed();
    (next?.querySelector("input, select, textarea") ?? document.getElementById(adder)).focus();
    say("Removed.");
  }

  const editing = {
    "add-row": () => {
      const group = document.getElementById("new-row-group").value;
      const list = form().querySelector(`[data-group="${group}"]`);
      list.append(clone("new-row"));
      added(list.lastElementChild);
    },
    "remove-row": (button) => remove(button.closest("[data-row]"), "[data-row]", "new-row-group"),
    "add-step": () => {
      const list = document.getElementById("steps");
      list.append(clone(`new-${document.getElementById("new-step-kind").value}`));
      added(list.lastElementChild);
    },
    "remove-step": (button) => remove(button.closest("[data-step]"), "[data-step]", "new-step-kind"),
    up: (button) => move(button.closest("[data-step]"), -1),
    down: (button) => move(button.closest("[data-step]"), 1),
  };

  /** Offer Jira's fields by name. They are the viewer's; without them, ids still work. */
  async function offerFields() {
    const fields = await host.read("/rest/api/3/field").catch(() => []);
    const options = fields.map((field) => {
      const option = document.createElement("option");
      option.value = field.id;
      option.label = field.name;
      return option;
    });
    document.getElementById("jira-fields")?.replaceChildren(...options);
  }

  function trySays(state) {
    const box = document.getElementById("try-says");
    box.textContent = state ? document.getElementById("try").dataset[state] : "";
    box.hidden = !state;
  }

  /** Show what the rule would do to an issue that the viewer may see. */
  async function tryRule() {
    const button = document.getElementById("try-it");
    document.getElementById("try-result").replaceChildren();
    button.disabled = true;
    trySays(await tried(document.getElementById("try-issue").value.trim()));
    button.disabled = false;
  }

  /** Try it; return the name of what is to be said about that, if anything is. */
  async function tried(key) {
    if (!key) return "empty";
    if (rule.checked !== rule.change) await check();
    const change = rule.change;
    if (rule.checked !== change || rule.value === null) return "fix";
    trySays("reading");
    const found = await readIssue(key).catch(() => null);
    if (!found) return "absent";
    const cut = cutDown(found.issue.fields, found);
    const body = { rule: JSON.parse(rule.value), ...found };
    const response = await host.call("POST", "rules/preview", body).catch(() => null);
    if (!response?.ok) return "failed";
    const result = document.getElementById("try-result");
    result.innerHTML = await response.text(); // made by our server, every value in it escaped
    result.querySelector("h3").focus();
    if (change !== rule.change) return "stale";
    return cut ? "cut" : "";
  }

  async function readIssue(key) {
    const place = `/rest/api/3/issue/${encodeURIComponent(key)}`;
    const issue = await host.read(`${place}?fields=*all&expand=changelog`);
    const others = ["transitions", "editmeta"].map((name) => host.read(`${place}/${name}`));
    // Who may not edit an issue may still look what a rule would do to it.
    const [transitions, editmeta] = (await Promise.allSettled(others)).map((each) => each.value);
    const changelog = { histories: moves(issue.changelog?.histories ?? []) };
    const { id, key: name, fields } = issue;
    return { issue: { id, key: name, fields, changelog }, transitions, editmeta };
  }

  /** Keep of a history what moved the issue: the rest is long, and nobody asks for it. */
  function moves(histories) {
    const isMove = (item) => (item.fieldId ?? item.field) === "status";
    return histories
      .map(({ id, created, author, items }) => {
        const who = author && { accountId: author.accountId };
        return { id, created, author: who, items: items.filter(isMove) };
      })
      .filter((entry) => entry.items.length);
  }

  /** Leave out what makes an issue very large; return whether that was so. */
  function cutDown(fields, whole) {
    if (new Blob([JSON.stringify(whole)]).size < ROOM) return false;
    if (fields.comment) fields.comment = { comments: [], total: 0 };
    if (fields.worklog) fields.worklog = { worklogs: [], total: 0 };
    if (fields.attachment) fields.attachment = [];
    return true;
  }

  async function openEditor() {
    // First, so that nothing can be saved before there is a form.
    host.onSaveValidation(maySave);
    host.onSave(() => rule.value ?? rule.stored);
    if (view === "edit") rule.stored = (await host.getConfiguration()) ?? "";
    show(await fragment("POST", "pages/rule-editor", { value: rule.stored }));
    rule.showAll = Boolean(rule.stored);
    changed();
    check();
    offerFields();
  }

  // --- the condition that keeps others from moving a held issue on

  async function openCondition() {
    let stored = "";
    const chosen = () => document.getElementById("role")?.value;
    // Without Jira's answer there is no form, and nothing that could be saved.
    host.onSaveValidation(() => Boolean(chosen()));
    host.onSave(() => chosen() ?? stored);
    if (view === "condition-edit") stored = (await host.getConfiguration()) ?? "";
    show(await fragment("POST", "pages/condition-editor", { value: stored }));
  }

  async function openConditionView() {
    const value = (await host.getConfiguration()) ?? "";
    show(await fragment("POST", "pages/condition-view", { value }));
  }

  // --- the rule, read only

  async function openView() {
    const value = (await host.getConfiguration()) ?? "";
    show(await fragment("POST", "pages/rule-view", { value }));
  }

  // --- the configuration page: its views, named by the address's hash

  const live = { html: "", runs: null, timer: 0 };
  const once = { id: "", secret: "", cleared: [] }; // what a person is to read once
  let opening = 0; // counts openings: only the last one may still show something

  const VIEWS = /^#\/(overview|destinations|destinations\/new|destinations\/[0-9a-f-]{36}|keys)$/;
  const viewNow = () => VIEWS.exec(location.hash)?.[1] ?? "overview";

  async function openConfig() {
    const mine = opening;
    const name = viewNow();
    clearTimeout(live.timer);
    live.html = "";
    const html = await viewHtml(name);
    if (mine !== opening) return;
    markView(name);
    if (name === "overview") {
      renew(html);
      live.timer = setTimeout(poll, POLL_MS);
    } else {
      show(html);
      for (const field of page.querySelectorAll("[data-key]")) nameField(field);
      showFresh(name);
    }
  }

  async function viewHtml(name) {
    const path = name === "overview" ? "config" : name;
    const response = await host.call("GET", `pages/${path}`);
    if (response.status === 404) throw new Failure("gone");
    if (!response.ok) throw new Failure("failed");
    return response.text();
  }

  function markView(name) {
    const views = document.getElementById("views");
    views.hidden = false;
    for (const link of all("a", views)) {
      if (name.startsWith(link.hash.slice(2))) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  /** Read the view anew, and keep the person's place in it. */
  async function reopen(focused) {
    await openConfig().catch((error) => showState(error.kind ?? "failed"));
    document.getElementById(focused)?.focus({ preventScroll: true });
  }

  // --- the overview, kept up to date while somebody looks

  async function poll() {
    if (document.visibilityState === "visible") {
      await refresh().catch(showTrouble);
    }
    if (isOverview()) live.timer = setTimeout(poll, POLL_MS);
  }

  const isOverview = () => Boolean(document.getElementById("live"));

  async function refresh() {
    const mine = opening;
    const html = await fragment("GET", "pages/config");
    if (mine !== opening || !isOverview()) return;
    renew(html);
    document.getElementById("trouble").hidden = true;
  }

  function showTrouble(error) {
    if (!isOverview()) return;
    if (error.kind === "refused" || error.kind === "forbidden") return showState(error.kind);
    document.getElementById("trouble").hidden = false;
  }

  /** Show news without taking away what the person has open or in focus. */
  function renew(html) {
    if (html === live.html) return;
    live.html = html;
    const focused = document.activeElement?.id;
    const open = all("details[open], [aria-expanded=true]", page).map((element) => element.id);
    show(html);
    for (const id of open) expand(document.getElementById(id));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    sayNews(all("tbody[data-run]", page).map((row) => row.dataset.run));
  }

  function expand(element) {
    if (element?.tagName === "DETAILS") element.open = true;
    else if (element) toggle(element, true);
    if (element?.dataset.load) loadExchange(element);
  }

  function toggle(button, open) {
    button.setAttribute("aria-expanded", String(open));
    document.getElementById(button.getAttribute("aria-controls")).hidden = !open;
  }

  function sayNews(runs) {
    const fresh = live.runs ? runs.filter((run) => !live.runs.includes(run)).length : 0;
    if (fresh) say(fresh === 1 ? "One new run." : `${fresh} new runs.`);
    live.runs = runs;
  }

  const exchanges = new Map(); // what was sent and answered, by path; it changes no more

  /** Fill a delivery's details when somebody opens them. */
  async function loadExchange(details) {
    const path = details.dataset.load;
    if (!path || !details.open || details.dataset.loaded) return;
    details.dataset.loaded = "yes";
    try {
      const html = exchanges.get(path) ?? (await fragment("GET", `pages/${path}`));
      if (html.includes("data-answered")) exchanges.set(path, html);
      const box = document.createElement("div");
      box.innerHTML = html; // made by our server, every value in it escaped
      details.replaceChildren(details.querySelector("summary"), box);
    } catch (error) {
      delete details.dataset.loaded;
      details.open = false;
      showTrouble(error);
    }
  }

  async function switchRule(button) {
    const { rule: id, act } = button.dataset;
    button.disabled = true;
    try {
      const response = await host.call("POST", `rules/${id}/${act}`);
      const done = act === "pause" ? "The rule is paused." : "The rule goes on.";
      say(response.ok ? done : "Somebody has done this already.");
      await refresh();
    } catch (error) {
      button.disabled = false;
      showTrouble(error);
    }
  }

  async function resolve(button) {
    const { run, step, happened } = button.dataset;
    const buttons = all("button", button.parentElement);
    for (const each of buttons) each.disabled = true;
    try {
      const path = `runs/${run}/steps/${step}/resolve`;
      const response = await host.call("POST", path, { happened: happened === "yes" });
      say(response.ok ? "Noted. Countersign goes on." : "Somebody has answered this already.");
      await refresh();
    } catch (error) {
      for (const each of buttons) each.disabled = false;
      showTrouble(error);
    }
  }

  /** Have a run, or one delivery of it, carried out again; a new run comes of it. */
  async function replay(button) {
    const asking = button.closest(".notice");
    const refusal = asking.querySelector("[role=alert]");
    button.disabled = true;
    try {
      const response = await host.call("POST", button.dataset.path, {});
      if (!response.ok) {
        refusal.textContent = asSentence((await response.json()).message ?? "it is not there any more");
        refusal.hidden = false;
        return;
      }
      toggle(document.getElementById(button.dataset.opener), false);
      say("Noted. It is carried out again, as a new run.");
      await refresh();
    } catch (error) {
      showTrouble(error);
    } finally {
      button.disabled = false;
    }
  }

  // --- what an admin changes on the other views

  const why = (kind) => clone(`undone-${kind ?? "failed"}`).textContent.trim();

  function wentWrong(message) {
    const box = document.getElementById("went-wrong");
    box.textContent = asSentence(message);
    box.hidden = !message;
  }

  /** Ask for something; return the answer, or say beside the buttons why there is none. */
  async function ask(button, method, path, body) {
    wentWrong("");
    button.disabled = true;
    try {
      const response = await host.call(method, path, body);
      if (response.ok) return response;
      if (response.status === 404) throw new Failure("gone");
      wentWrong((await response.json()).message ?? why());
    } catch (error) {
      wentWrong(why(error.kind));
    } finally {
      button.disabled = false;
    }
    return null;
  }

  /** Remember what is shown once: nobody, not even this page, can ask for it again. */
  function remember({ id, secret, cleared }) {
    Object.assign(once, { id, secret: secret ?? "", cleared: cleared ?? [] });
  }

  function showFresh(name) {
    if (name !== `destinations/${once.id}`) return;
    if (once.secret) {
      document.getElementById("new-secret").hidden = false;
      document.getElementById("copy-secret").value = once.secret;
    }
    if (once.cleared.length) {
      const box = document.getElementById("cleared");
      box.textContent = `It is another receiver now, so these headers were cleared: ${once.cleared.join(", ")}.`;
      box.hidden = false;
    }
    remember({ id: "" });
  }

  async function send(button) {
    const { method = "POST", path, body = "{}", said, then } = button.dataset;
    const response = await ask(button, method, path, JSON.parse(body));
    if (!response) return;
    if (response.status !== 204) remember(await response.json());
    say(said);
    if (then) location.hash = then;
    else await reopen(button.id || "went-wrong");
  }

  async function test(button) {
    const box = document.getElementById("test-result");
    box.replaceChildren();
    button.textContent = "Sending …";
    const response = await ask(button, "POST", button.dataset.path, {});
    button.textContent = "Send test event";
    button.focus();
    if (response) box.innerHTML = await response.text(); // made by our server, escaped
  }

  /** Save a form of ours; the server judges it, and its problems stand in the form. */
  async function save(element) {
    const { method, path, fix } = element.dataset;
    const button = element.querySelector("[type=submit]");
    notSaved("");
    button.disabled = true;
    try {
      const response = await host.call(method, path, read(element));
      if (response.status === 404) throw new Failure("gone");
      const answer = await response.json();
      placeProblems(answer.problems ?? []);
      if (answer.problems) notSaved(fix);
      else if (!response.ok) notSaved(why());
      else await saved(answer);
    } catch (error) {
      notSaved(why(error.kind));
    }
    button.disabled = false;
    if (element.isConnected) (element.querySelector("[aria-invalid=true]") ?? button).focus();
  }

  async function saved(answer) {
    remember(answer);
    say("Saved.");
    if (viewNow() === `destinations/${answer.id}`) await arrive();
    else location.hash = `#/destinations/${answer.id}`;
  }

  function filterChecks(input) {
    const wanted = input.value.toLocaleLowerCase();
    for (const choice of all(".checks .choice", input.closest("[data-key]"))) {
      choice.hidden = !choice.textContent.toLocaleLowerCase().includes(wanted);
    }
  }

  /** Copy without a permission that a frame may not have. */
  function copy(button) {
    const input = button.parentElement.querySelector("input");
    input.select();
    say(document.execCommand("copy") ? "Copied." : "Press Ctrl and C to copy it.");
    button.focus();
  }

  const changing = { send, test, copy };

  // --- events, all of them delegated: fragments come and go

  const actions = {
    ...editing,
    ...pairing,
    ...changing,
    retry: () => open(),
    resolve,
    "switch-rule": switchRule,
    replay,
    try: tryRule,
    toggle: (button) => toggle(button, button.getAttribute("aria-expanded") !== "true"),
  };

  page.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (button) actions[button.dataset.action](button);
  });
  page.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.target.dataset.path) save(event.target);
  });
  page.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.id !== "try-issue") return;
    event.preventDefault();
    tryRule();
  });
  page.addEventListener("input", (event) => {
    if (event.target.closest("#rule [data-key]")) changed();
    if (event.target.matches("[data-filter]")) filterChecks(event.target);
  });
  page.addEventListener("toggle", (event) => loadExchange(event.target), true);
  page.addEventListener("focusout", (event) => {
    const field = event.target.closest("#rule [data-key]");
    if (!field) return;
    field.dataset.touched = "yes";
    // Whoever leaves our frame may be pressing Jira's button below it, or else is pressing
    // one of ours: check at once, and do not move the button away from under the pointer.
    const pressing = !event.relatedTarget || event.relatedTarget.matches("button");
    if (pressing) rule.stillUntil = performance.now() + STILL_MS;
    if (rule.checked === rule.change) showJudgement();
    else check();
  });

  // --- start

  const openers = {
    create: openEditor,
    edit: openEditor,
    view: openView,
    "condition-create": openCondition,
    "condition-edit": openCondition,
    "condition-view": openConditionView,
    config: openConfig,
  };

  async function open() {
    const mine = ++opening;
    page.setAttribute("aria-busy", "true");
    page.replaceChildren(clone("state-loading"));
    try {
      await openers[view]();
    } catch (error) {
      if (mine !== opening) return;
      if (!(error instanceof Failure)) console.warn(error);
      showState(error.kind ?? "failed");
    }
  }

  /** Open another view; whoever does not see the page hears where he is now. */
  async function arrive() {
    await open();
    const heading = page.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus();
  }

  addEventListener("hashchange", arrive);

  // The address holds the token that opened this page: take it out of sight and history.
  history.replaceState(null, "", location.pathname + location.hash);

  const host = window.AP ? { ...connectHost(window.AP), call } : null;
  if (host) {
    host.theme();
    open();
  } else {
    showState("host");
  }
})();
