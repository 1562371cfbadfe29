// The views of the configuration page and of the issue panel: named by the address's hash,
// with their filters in it, and kept up to date while somebody looks.

import { nameField } from "./forms.js";
import { fragment, host } from "./host.js";
import { all, page, say, show, showState, view } from "./page.js";

const POLL_MS = 3_000; // how often a live view looks for news

// Nothing else may become a part of an address that we fetch: a link to us is anybody's.
const NAMES = /^(overview|runs|(destinations|listeners)(\/new)?|rules|keys|log|settings)$/;
const ITEMS = /^((runs|destinations|listeners)\/[0-9a-f-]{36}|listeners\/[0-9a-f-]{36}\/rule)$/;

const live = { path: "", html: "", items: null, timer: 0 };
let opening = 0; // counts openings: only the last one may still show something

const shownHooks = [];
/** Call `hook` whenever a view is shown anew. */
export const onShown = (hook) => shownHooks.push(hook);

/** Return the view that the hash names, without its filters. */
export function viewNow() {
  const [name] = location.hash.replace(/^#\//, "").split("?");
  return NAMES.test(name) || ITEMS.test(name) ? name : "overview";
}

async function pathNow() {
  const filters = location.hash.split("?")[1];
  const query = filters ? `?${new URLSearchParams(filters)}` : "";
  const name = viewNow();
  if (view !== "issue") return `pages/${name}${query}`;
  const issue = await host.issue();
  return name.startsWith("runs/") ? `pages/issues/${issue}/${name}` : `pages/issues/${issue}`;
}

/** Open the view that the hash names; `keep` what somebody types into its filters. */
export async function openView(keep = false) {
  const mine = ++opening;
  clearTimeout(live.timer);
  const path = await pathNow();
  const html = await fragment("GET", path);
  if (mine !== opening) return;
  if (path !== live.path) live.items = null;
  Object.assign(live, { path, html: "" });
  markView();
  renew(html, keep);
  for (const hook of shownHooks) hook(viewNow());
  if (isLive()) live.timer = setTimeout(poll, POLL_MS);
}

function markView() {
  const views = document.getElementById("views");
  if (!views) return;
  views.hidden = false;
  for (const link of all("a", views)) {
    if (viewNow().split("/")[0] === link.hash.slice(2)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Read the view anew, and keep the person's place in it. */
export async function reopen(focused, keep = false) {
  await openView(keep).catch((error) => showState(error.kind ?? "failed"));
  focusOn(document.getElementById(focused) ?? page.querySelector("h1"));
}

/** Bring a keyboard's place there, also to a heading. */
export function focusOn(element) {
  if (element?.tagName === "H1") element.setAttribute("tabindex", "-1");
  element?.focus({ preventScroll: true });
}

// --- a live view

const isLive = () => Boolean(document.getElementById("live"));

async function poll() {
  const mine = opening;
  if (document.visibilityState === "visible") await refresh().catch(showTrouble);
  if (mine === opening && isLive()) live.timer = setTimeout(poll, POLL_MS);
}

/** Read a live view's news at once. */
export async function refresh() {
  const mine = opening;
  const html = await fragment("GET", live.path);
  if (mine !== opening || !isLive()) return;
  renew(html);
  const trouble = document.getElementById("trouble");
  if (trouble) trouble.hidden = true;
}

export function showTrouble(error) {
  if (["refused", "forbidden", "gone"].includes(error.kind)) return showState(error.kind);
  const trouble = document.getElementById("trouble");
  if (trouble) trouble.hidden = false;
}

/** Show news without taking away what the person has open, typed or in focus. */
function renew(html, keep = false) {
  if (html === live.html) return;
  live.html = html;
  const focused = document.activeElement?.id;
  const open = all("details[open], [aria-expanded=true]").map((element) => element.id);
  const typed = all("[data-filters] [id]").map((control) => [control.id, control.value]);
  const answers = all("[data-answer]"); // to what the person asked; news do not undo it
  const same = page.dataset.path === live.path;
  page.dataset.path = live.path;
  show(html);
  for (const field of all("[data-key]")) nameField(field);
  if (same) {
    for (const id of open) expand(document.getElementById(id));
    for (const answer of answers) document.getElementById(answer.id)?.replaceWith(answer);
  }
  if (same || keep) {
    for (const [id, value] of typed) retype(document.getElementById(id), value);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
  sayNews();
}

function retype(control, value) {
  if (control && "value" in control) control.value = value;
}

function expand(element) {
  if (element?.tagName === "DETAILS") element.open = true;
  else if (element) toggle(element, true);
  if (element?.dataset.load) loadDetails(element);
}

export function toggle(button, open) {
  button.setAttribute("aria-expanded", String(open));
  document.getElementById(button.getAttribute("aria-controls")).hidden = !open;
}

function sayNews() {
  const items = all("[data-item]").map((row) => row.dataset.item);
  const words = document.getElementById("live")?.dataset;
  const fresh = live.items ? items.filter((item) => !live.items.includes(item)).length : 0;
  if (fresh && words?.one) say(fresh === 1 ? `One ${words.one}.` : `${fresh} ${words.many}.`);
  live.items = items;
}

const loaded = new Map(); // what details hold that change no more, by path

/** Fill details when somebody opens them. */
export async function loadDetails(details) {
  const path = details.dataset.load;
  if (!path || !details.open || details.dataset.loaded) return;
  details.dataset.loaded = "yes";
  try {
    const html = loaded.get(path) ?? (await fragment("GET", `pages/${path}`));
    if (html.includes("data-answered")) loaded.set(path, html);
    const box = document.createElement("div");
    box.innerHTML = html; // made by our server, every value in it escaped
    details.replaceChildren(details.querySelector("summary"), box);
  } catch (error) {
    delete details.dataset.loaded;
    details.open = false;
    showTrouble(error);
  }
}

// --- filters

/** Put what a form filters by into the hash, and show what it leaves. */
export function filter(element, focused) {
  const chosen = [...new FormData(element)].filter(([, value]) => value.trim());
  const query = new URLSearchParams(chosen).toString();
  const hash = `#/${element.dataset.filters}${query ? `?${query}` : ""}`;
  if (hash === location.hash) return;
  history.replaceState(null, "", location.pathname + hash);
  reopen(focused, true);
}

