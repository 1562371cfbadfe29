// Forms: every part is named as the server names it, so that its problems find it.

import { all, clone, page, say } from "./page.js";

export const form = () => page.querySelector("form[data-scope]");
export const within = (selector, scope = form()) => all(selector, scope);
export const listItem = (textContent) =>
  Object.assign(document.createElement("li"), { textContent });

const scopeOf = (field) => field.closest("[data-scope]");

export const fieldsOf = (scope) =>
  within("[data-key]", scope).filter((field) => scopeOf(field) === scope);

export function nameField(field) {
  const scope = scopeOf(field).dataset.scope;
  const path = scope ? `${scope}.${field.dataset.key}` : field.dataset.key;
  field.dataset.path = path;
  const hint = field.querySelector(".hint");
  const problem = field.querySelector(".problem");
  if (hint) hint.id = `${path}-hint`;
  problem.id = `${path}-problem`;
  const controls = within("input, select, textarea", field);
  controls.forEach((control, at) => {
    control.id = controls.length > 1 ? `${path}-${at}` : path;
    if (control.type === "radio") control.name = path;
    const described = [hint?.id, problem.hidden ? null : problem.id].filter(Boolean);
    control.setAttribute("aria-describedby", described.join(" "));
  });
  const label = field.querySelector("label:not(:has(input))");
  if (label) label.htmlFor = controls[0].id;
}

export const controlOf = (field) =>
  field.querySelector("input:checked, input:not([type=radio]), select, textarea");

function valueOf(field) {
  const control = controlOf(field);
  const text = control?.value;
  switch (field.dataset.kind) {
    case "flag":
      return control.checked;
    case "checks":
      return within("input:checked", field).map((box) => box.value);
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
  return within("[data-pair]", field).map((row) => {
    const [name, text] = within("input", row).map((input) => input.value);
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

export function read(scope) {
  const entries = fieldsOf(scope)
    .filter((field) => !field.hidden)
    .map((field) => [field.dataset.key, valueOf(field)]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** Read a form with the parts in it that have a scope of their own, by their names. */
export function readAll(element) {
  const parts = within("[data-scope]", element);
  const named = parts.map((part) => [part.dataset.scope, read(part)]);
  return { ...read(element), ...Object.fromEntries(named) };
}

export function fieldFor(key) {
  const fields = within("[data-key]").filter((field) => !field.hidden);
  const named = (field) => {
    const { path } = field.dataset;
    return key === path || key.startsWith(`${path}.`) || key.startsWith(`${path}[`);
  };
  return fields.find(named);
}

export const ended = (text) => text + (/[.!?]$/.test(text) ? "" : ".");
export const asSentence = (text) => text && text[0].toUpperCase() + ended(text).slice(1);

function setProblem(field, message) {
  const problem = field.querySelector(".problem");
  problem.hidden = !message;
  problem.querySelector("span").textContent = asSentence(message);
  for (const control of within("input, select, textarea", field)) {
    if (message) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }
  nameField(field);
}

/** Put each problem under the field it names; return how many may be shown yet. */
export function placeProblems(problems, mayShow = () => true) {
  for (const field of within("[data-key]")) setProblem(field, "");
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

/** Say beside the button why it did not save. */
export function notSaved(why) {
  const box = document.getElementById("not-saved");
  box.textContent = why;
  box.hidden = !why;
}

function edited(field) {
  nameField(field);
  // Whoever looks at each change of its form hears of this one as of typing.
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

export const pairing = {
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
