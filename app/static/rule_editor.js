// The rule editor: a form that the server judges while somebody types.

import {
  controlOf,
  ended,
  fieldFor,
  fieldsOf,
  form,
  listItem,
  nameField,
  notSaved,
  placeProblems,
  read,
  within,
} from "./forms.js";
import { Failure, fragment, host } from "./host.js";
import { all, clone, page, say, show, view } from "./page.js";
import { offerInputs } from "./rule_inputs.js";
import { keepRule } from "./rule_keeping.js";
import { tryRule, trySays } from "./rule_try.js";
import { onShown } from "./views.js";

const CHECK_MS = 150; // how long typing must rest before a rule is checked
const STILL_MS = 500; // how long nothing may move once somebody reaches for Jira's button

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

const rowsOf = (group) => within(`[data-group="${group}"] [data-row]`);
const GROUPS = ["all", "any", "none"];

/** Name every part of the form as the server names it: `steps[1].body`. */
function namePaths() {
  for (const group of GROUPS) {
    rowsOf(group).forEach((row, at) => (row.dataset.scope = `when.${group}[${at}]`));
    document.getElementById(`group-${group}`).hidden = !rowsOf(group).length;
  }
  const steps = within("[data-step]");
  steps.forEach((step, at) => {
    step.dataset.scope = `steps[${at}]`;
    const title = `step ${at + 1}, ${step.dataset.title}`;
    for (const button of within(".step-head [data-action]", step)) {
      button.setAttribute("aria-label", `${button.title}: ${title}`);
    }
    step.querySelector('[data-action="up"]').disabled = at === 0;
    step.querySelector('[data-action="down"]').disabled = at === steps.length - 1;
  });
  document.getElementById("always").hidden = Boolean(within("[data-row]").length);
  document.getElementById("no-steps").hidden = Boolean(steps.length);
  for (const field of within("[data-key]")) nameField(field);
}

/** Hide what the other choices make meaningless; what is hidden is not collected. */
function hideUnused() {
  const mode = form().querySelector('[data-key="mode"] input:checked').value;
  form().querySelector("#on-failure > [data-key=transition]").hidden = mode === "report";
  const hold = document.getElementById("hold");
  hold.hidden = mode !== "gate";
  for (const field of fieldsOf(hold)) field.hidden = hold.hidden;
  for (const row of within("[data-row]")) {
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
  collected.steps = within("[data-step]").map((step) => ({ do: step.dataset.step, ...read(step) }));
  const success = read(document.getElementById("on-success"));
  if (success.transition) collected.on_success = success;
  collected.on_failure = read(document.getElementById("on-failure"));
  const hold = read(document.getElementById("hold"));
  if (Object.keys(hold).length) collected.hold = hold;
  return collected;
}

/** What was typed where JSON may stand: only there can the server tell it from text. */
function typedJson() {
  const fields = within("[data-kind=json]");
  return Object.fromEntries(fields.map((field) => [field.dataset.path, controlOf(field).value]));
}

function changed() {
  rule.change += 1;
  notSaved("");
  if (document.getElementById("try-result").firstElementChild) trySays("stale");
  namePaths();
  hideUnused();
  for (const step of within("[data-step=deliver]")) offerInputs(step);
  clearTimeout(rule.timer);
  rule.timer = setTimeout(check, CHECK_MS);
}

/** Let the server judge the form as it is now; only its last answer counts. */
async function check() {
  clearTimeout(rule.timer);
  rule.stop?.abort();
  if (!form()) return; // another view has taken its place
  rule.stop = new AbortController();
  const change = rule.change;
  try {
    const body = { rule: collect(), texts: typedJson() };
    const response = await host.call("POST", "rules/check", body, rule.stop.signal);
    const judged = await response.json();
    if (change !== rule.change || !form()) return;
    rule.checked = change;
    rule.value = response.ok ? judged.value : null;
    rule.summary = judged.summary ?? "";
    rule.problems = judged.problems ?? [];
    rule.hints = judged.hints ?? [];
    if (!response.ok && !rule.problems.length) throw new Failure("failed");
    showJudgement();
  } catch (error) {
    if (error.name === "AbortError" || change !== rule.change || !form()) return;
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
  if (!form()) return;
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
  if (step) place = `step ${within("[data-step]").indexOf(step) + 1} (${step.dataset.title}), `;
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
  const steps = within("[data-step]");
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
  const parts = within(selector);
  const next = parts[parts.indexOf(part) + 1] ?? parts[parts.indexOf(part) - 1];
  part.remove();
  changed();
  (next?.querySelector("input, select, textarea") ?? document.getElementById(adder)).focus();
  say("Removed.");
}

export const editing = {
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
  try: () => tryRule(rule, check),
  paste,
  keep: (button) => keepRule(rule, button, maySave, showJudgement),
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

export async function openEditor() {
  // First, so that nothing can be saved before there is a form.
  await host.onSave(maySave, () => rule.value ?? rule.stored);
  if (view === "edit") rule.stored = await host.getConfiguration();
  await draw({ value: rule.stored });
  rule.showAll = Boolean(rule.stored);
}

async function draw(body) {
  show(await fragment("POST", "pages/rule-editor", body));
  begin();
}

function begin() {
  changed();
  check();
  offerFields();
}

// A self-managed site's rules are ours to keep: there the form is a view like any other.
onShown((name) => {
  if (!name.endsWith("/rule") || !all("#rule").length) return;
  rule.showAll = form().dataset.over !== "0";
  begin();
});

/** Fill the form with a rule of another site's; Jira keeps it once it is saved. */
async function paste(button) {
  button.disabled = true;
  try {
    const { over, path } = form().dataset; // of a rule that is ours to keep
    const kept = path && { listener: path.split("/")[1], over: Number(over) };
    await draw({ value: document.getElementById("pasted").value, pasted: true, ...kept });
    rule.showAll = true;
    say("The form has the pasted rule now. Nothing is saved yet.");
    within("input")[0].focus();
  } catch (error) {
    notSaved(clone(`undone-${error.kind ?? "failed"}`).textContent.trim());
    button.disabled = false;
  }
}

page.addEventListener("input", (event) => {
  if (event.target.closest("#rule [data-key]")) changed();
});

page.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target.id !== "try-issue") return;
  event.preventDefault();
  tryRule(rule, check);
});

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
