// The condition that keeps others from moving a held issue on, and what Jira keeps, read only.

import { fragment, host } from "./host.js";
import { show, view } from "./page.js";

export async function openCondition() {
  let stored = "";
  const chosen = () => document.getElementById("role")?.value;
  // Without Jira's answer there is no form, and nothing that could be saved.
  await host.onSave(
    () => Boolean(chosen()),
    () => chosen() ?? stored,
  );
  if (view === "condition-edit") stored = await host.getConfiguration();
  show(await fragment("POST", "pages/condition-editor", { value: stored }));
}

/** Show what Jira keeps of a rule or of a condition. */
export async function openStored(path) {
  const value = await host.getConfiguration();
  show(await fragment("POST", path, { value }));
}
