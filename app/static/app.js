// Where our pages begin: they ask our server for fragments of HTML, with a fresh token from
// Jira each time, and carry what a person does there back to it. Whose page is around ours
// was said before this runs (host.js).

import { arrive, open } from "./arriving.js";
import { changing, filterChecks, save } from "./changing.js";
import { pairing } from "./forms.js";
import { host } from "./host.js";
import { page, showState } from "./page.js";
import { editing } from "./rule_editor.js";
import { filter, loadDetails, toggle } from "./views.js";

// All events are delegated: fragments come and go.
const actions = {
  ...editing,
  ...pairing,
  ...changing,
  retry: () => open(),
  toggle: (button) => toggle(button, button.getAttribute("aria-expanded") !== "true"),
};

page.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  if (button) actions[button.dataset.action](button);
  const link = event.target.closest('a[href^="http"]');
  if (link) host.follow(event, link.href);
});
page.addEventListener("submit", (event) => {
  event.preventDefault();
  const { path, filters } = event.target.dataset;
  if (path) save(event.target);
  else if (filters) filter(event.target, document.activeElement?.id);
});
page.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-filters]");
  if (form) filter(form, event.target.id);
});
page.addEventListener("input", (event) => {
  if (event.target.matches("[data-filter]")) filterChecks(event.target);
});
page.addEventListener("toggle", (event) => loadDetails(event.target), true);
addEventListener("hashchange", arrive);

if (host) {
  host.theme();
  open();
} else {
  showState("host");
}
