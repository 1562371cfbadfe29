// The one script of our pages: asks our server for fragments of HTML, with a fresh token
// from Jira each time, and carries what a person does there back to it.
"use strict";

(() => {
  const ANSWER_MS = 10_000; // how long Jira's page around us may take to answer
  const CHECK_MS = 150; // how long typing must rest before a rule is checked
  const STILL_MS = 500; // how long nothing may move once somebody reaches for Jira's button
  const POLL_MS = 3_000; // how often the configuration page looks for news

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
    localiseTimes();
  }

  function say(text) {
    announcer.textContent = text;
  }

  function localiseTimes() {
    const style = { dateStyle: "medium", timeStyle: "medium" };
    const format = new Intl.DateTimeFormat(undefined, style);
    for (const time of page.querySelectorAll("time[datetime]")) {
      time.textContent = format.format(new Date(time.dateTime));
    }
  }

  // --- the rule editor

  const rule = {
    change: 0, // counts what the person did
    checked: -1, // the change that the server judged last
    stored: "", // what Jira keeps now
    value: null, // the text to store, exactly as the server wrote it; null: not valid
    summary: "",
    problems: [],
    showAll: false,
    stillUntil: 0, // when what was judged may be shown, and the page change its height
    timer: 0,
    stop: null, // ends the check under way
  };

  const form = () => document.getElementById("rule");
  const all = (selector, within = form()) => [...within.querySelectorAll(selector)];
  const scopeOf = (field) => field.closest("[data-scope]");
  const fieldsOf = (scope) => all("[data-key]", scope).filter((f) => scopeOf(f) === scope);
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
      for (const button of all("[data-action]", step)) {
        button.setAttribute("aria-label", `${button.title}: ${title}`);
      }
      step.querySelector('[data-action="up"]').disabled = at === 0;
      step.querySelector('[data-action="down"]').disabled = at === steps.length - 1;
    });
    document.getElementById("always").hidden = Boolean(all("[data-row]").length);
    document.getElementById("no-steps").hidden = Boolean(steps.length);
    for (const field of all("[data-key]")) nameField(field);
  }

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

  /** Hide what the other choices make meaningless; what is hidden is not collected. */
  function hideUnused() {
    const mode = form().querySelector('[data-key="mode"] input:checked').value;
    form().querySelector("#on-failure [data-key=transition]").hidden = mode !== "compensate";
    for (const row of all("[data-row]")) {
      const op = row.querySelector("[data-key=op] select").value;
      row.querySelector("[data-key=value]").hidden = op === "is-empty" || op === "is-not-empty";
    }
  }

  function valueOf(field) {
    const control = field.querySelector("input:checked, input:not([type=radio]), select, textarea");
    const text = control.value;
    switch (field.dataset.kind) {
      case "flag":
        return control.checked;
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
    return collected;
  }

  function changed() {
    rule.change += 1;
    notSaved("");
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
      const body = { rule: collect() };
      const response = await host.call("POST", "rules/check", body, rule.stop.signal);
      const judged = await response.json();
      if (change !== rule.change) return;
      rule.checked = change;
      rule.value = response.ok ? judged.value : null;
      rule.summary = judged.summary ?? "";
      rule.problems = judged.problems ?? [];
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
    const shown = placeProblems();
    const pressed = !document.getElementById("not-saved").hidden;
    if (pressed) notSaved(rule.value === null ? form().dataset.fix : form().dataset.ready);
    if (rule.value !== null) {
      sentence("complete", rule.summary);
    } else if (!shown) {
      sentence("incomplete", form().dataset.incomplete);
    } else {
      sentence("problems", shown === 1 ? "One thing to fix." : `${shown} things to fix.`);
    }
  }

  /** Put each problem under the field it names; return how many may be shown yet. */
  function placeProblems() {
    for (const field of all("[data-key]")) setProblem(field, "");
    const elsewhere = [];
    let shown = 0;
    for (const { key, message } of rule.problems) {
      const field = fieldFor(key);
      if (!rule.showAll && !field?.dataset.touched) continue;
      shown += 1;
      if (field) setProblem(field, message);
      else elsewhere.push(key ? `${key}: ${message}` : asSentence(message));
    }
    const list = document.getElementById("other-problems");
    list.hidden = !elsewhere.length;
    const items = elsewhere.map((text) => Object.assign(document.createElement("li"), { textContent: text }));
    list.querySelector("ul").replaceChildren(...items);
    return shown;
  }

  const asSentence = (text) => text && text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

  function fieldFor(key) {
    const fields = all("[data-key]").filter((field) => !field.hidden);
    const named = (field) => {
      const { path } = field.dataset;
      return key === path || key.startsWith(`${path}.`) || key.startsWith(`${path}[`);
    };
    return fields.find(named);
  }

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

  /** Say beside Jira's button why it did not save; it says nothing itself. */
  function notSaved(why) {
    const box = document.getElementById("not-saved");
    box.textContent = why;
    box.hidden = !why;
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

  // --- the rule, read only

  async function openView() {
    const value = (await host.getConfiguration()) ?? "";
    show(await fragment("POST", "pages/rule-view", { value }));
  }

  // --- the configuration page, kept up to date while somebody looks

  const live = { html: "", runs: null };

  async function openConfig() {
    renew(await fragment("GET", "pages/config"));
    setTimeout(poll, POLL_MS);
  }

  async function poll() {
    if (document.visibilityState === "visible") {
      await refresh().catch(showTrouble);
    }
    if (document.getElementById("live")) setTimeout(poll, POLL_MS);
  }

  async function refresh() {
    renew(await fragment("GET", "pages/config"));
    document.getElementById("trouble").hidden = true;
  }

  function showTrouble(error) {
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

  // --- events, all of them delegated: fragments come and go

  const actions = {
    ...editing,
    retry: () => open(),
    resolve,
    toggle: (button) => toggle(button, button.getAttribute("aria-expanded") !== "true"),
  };

  page.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (button) actions[button.dataset.action](button);
  });
  page.addEventListener("submit", (event) => event.preventDefault());
  page.addEventListener("input", (event) => {
    if (event.target.closest("[data-key]")) changed();
  });
  page.addEventListener("focusout", (event) => {
    const field = event.target.closest("[data-key]");
    if (!field) return;
    field.dataset.touched = "yes";
    // Whoever leaves our frame may be pressing Jira's button below it: check at once, and
    // do not move the button away from under the pointer.
    if (!event.relatedTarget) rule.stillUntil = performance.now() + STILL_MS;
    if (rule.checked === rule.change) showJudgement();
    else check();
  });

  // --- start

  const openers = { create: openEditor, edit: openEditor, view: openView, config: openConfig };

  async function open() {
    page.setAttribute("aria-busy", "true");
    page.replaceChildren(clone("state-loading"));
    try {
      await openers[view]();
    } catch (error) {
      if (!(error instanceof Failure)) console.warn(error);
      showState(error.kind ?? "failed");
    }
  }

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
