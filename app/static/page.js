// The page itself: its states, its times, what it says aloud.

export const { view } = document.body.dataset;
export const page = document.getElementById("page");

const announcer = document.getElementById("announcer");
const FRESH_MS = 30_000; // how often "a minute ago" is said anew

export const all = (selector, within = page) => [...within.querySelectorAll(selector)];
export const clone = (id) => document.getElementById(id).content.cloneNode(true);

export function showState(kind) {
  page.replaceChildren(clone(`state-${kind}`));
  page.removeAttribute("aria-busy");
}

export function show(html) {
  page.innerHTML = html; // made by our server, every value in it escaped
  page.removeAttribute("aria-busy");
  tellTimes(page);
}

export function say(text) {
  announcer.textContent = text;
}

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** Show times in the viewer's own zone; the server wrote UTC, which stays on hover. */
export function tellTimes(within) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    const exact = EXACT.format(moment);
    if ("relative" in time.dataset) {
      time.dataset.utc ??= time.title;
      time.title = `${exact} (${time.dataset.utc})`;
      time.textContent = relative(moment);
    } else {
      time.textContent = exact;
    }
  }
}

function relative(moment) {
  const seconds = Math.round((moment - Date.now()) / 1_000);
  const [unit, length] = UNITS.find(([, least]) => Math.abs(seconds) >= least) ?? UNITS.at(-1);
  return RELATIVE.format(Math.trunc(seconds / length), unit);
}

setInterval(() => tellTimes(page), FRESH_MS);
