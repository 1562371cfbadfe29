// Opens what the page is for, and shows its state while that takes time or fails.

import { openCondition, openStored } from "./condition.js";
import { Failure } from "./host.js";
import { clone, page, showState, view } from "./page.js";
import { openEditor } from "./rule_editor.js";
import { focusOn, openView } from "./views.js";

const openers = {
  create: openEditor,
  edit: openEditor,
  view: () => openStored("pages/rule-view"),
  "condition-create": openCondition,
  "condition-edit": openCondition,
  "condition-view": () => openStored("pages/condition-view"),
  config: () => openView(),
  issue: () => openView(),
};

let opened = 0; // counts openings: only the last one may still fail visibly

export async function open() {
  const mine = ++opened;
  page.setAttribute("aria-busy", "true");
  page.replaceChildren(clone("state-loading"));
  try {
    await openers[view]();
  } catch (error) {
    if (mine !== opened) return;
    if (!(error instanceof Failure)) console.warn(error);
    showState(error.kind ?? "failed");
  }
}

/** Open another view; whoever does not see the page hears where he is now. */
export async function arrive() {
  await open();
  focusOn(page.querySelector("h1"));
}
