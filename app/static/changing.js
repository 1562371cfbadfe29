// What a person changes on a view: sent to our server, said, and the view read anew.

import { asSentence, notSaved, placeProblems, readAll } from "./forms.js";
import { Failure, host } from "./host.js";
import { all, clone, page, say } from "./page.js";
import { arrive } from "./arriving.js";
import { onShown, refresh, reopen, showTrouble, toggle, viewNow } from "./views.js";

const once = { id: "", secret: "", cleared: [] }; // what a person is to read once

const why = (kind) => clone(`undone-${kind ?? "failed"}`).textContent.trim();

function wentWrong(message) {
  const box = document.getElementById("went-wrong");
  if (!box) return say(message);
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

onShown((name) => {
  if (name.split("/")[1] !== once.id) return;
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
});

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
  const label = button.textContent;
  box.replaceChildren();
  button.textContent = button.dataset.busy ?? "Sending …";
  const response = await ask(button, "POST", button.dataset.path, {});
  button.textContent = label;
  button.focus();
  if (response) box.innerHTML = await response.text(); // made by our server, escaped
}

/** Fetch a file by a ticket: a browser's download has no place for a token. */
async function download(button) {
  const { body, form: formId, said } = button.dataset;
  const chosen = formId ? new FormData(document.getElementById(formId)) : null;
  const wanted = chosen ? Object.fromEntries(chosen) : JSON.parse(body);
  const response = await ask(button, "POST", "downloads", wanted);
  if (!response) return;
  if (await host.download(await response.json())) say(said ?? "The download begins.");
}

/** Save a form of ours; the server judges it, and its problems stand in the form. */
export async function save(element) {
  const { method, path, fix, said, then } = element.dataset;
  const button = element.querySelector("[type=submit]");
  notSaved("");
  button.disabled = true;
  try {
    const response = await host.call(method, path, readAll(element));
    if (response.status === 404) throw new Failure("gone");
    const answer = response.status === 204 ? {} : await response.json();
    placeProblems(answer.problems ?? []);
    if (answer.problems) notSaved(fix);
    else if (!response.ok) notSaved(answer.message ? asSentence(answer.message) : why());
    else await saved(answer, then || placeOf(path, answer), said);
  } catch (error) {
    notSaved(why(error.kind));
  }
  button.disabled = false;
  if (element.isConnected) (element.querySelector("[aria-invalid=true]") ?? button).focus();
}

/** Where what was saved has its page: below the view that its path names. */
const placeOf = (path, { id }) => (id ? `#/${path.split("/")[0]}/${id}` : location.hash);

async function saved(answer, hash, said = "Saved.") {
  remember(answer);
  say(said);
  if (hash === location.hash) await arrive();
  else location.hash = hash;
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
    const { run } = await response.json();
    if (viewNow().startsWith("runs/")) location.hash = `#/runs/${run}`;
    else await refresh();
  } catch (error) {
    showTrouble(error);
  } finally {
    button.disabled = false;
  }
}

/** Copy without a permission that a frame may not have. */
function copy(button) {
  const text = button.closest(".copyable").querySelector("input, textarea");
  text.select();
  say(document.execCommand("copy") ? "Copied." : "Press Ctrl and C to copy it.");
  button.focus();
}

export function filterChecks(input) {
  const wanted = input.value.toLocaleLowerCase();
  for (const choice of all(".checks .choice", input.closest("[data-key]"))) {
    choice.hidden = !choice.textContent.toLocaleLowerCase().includes(wanted);
  }
}

export const changing = { send, test, download, copy, replay };
