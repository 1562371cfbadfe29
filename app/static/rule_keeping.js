// Keeping a rule where there is no button of Jira's: a self-managed site's rules are ours.

import { ended, form, notSaved } from "./forms.js";
import { Failure, host } from "./host.js";
import { clone, say } from "./page.js";

/** Keep the rule as a new version, over the one that was opened. */
export async function keepRule(rule, button, maySave, showJudgement) {
  if (!maySave()) return;
  const { path, over, fix } = form().dataset;
  button.disabled = true;
  try {
    const response = await host.call("PUT", path, { value: rule.value, over: Number(over) });
    if (response.status === 404) throw new Failure("gone");
    const answer = await response.json();
    if (response.ok) {
      location.hash = `#/listeners/${answer.id}`;
      say(`Saved as version ${answer.version}.`);
      return;
    }
    rule.problems = answer.problems ?? [];
    if (rule.problems.length) showJudgement();
    notSaved(answer.message ? ended(answer.message) : fix);
  } catch (error) {
    notSaved(clone(`undone-${error.kind ?? "failed"}`).textContent.trim());
  } finally {
    button.disabled = false;
  }
}
