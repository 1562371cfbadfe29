// What a rule would do to an issue, read with the viewer's own permissions.

import { host } from "./host.js";

export function trySays(state) {
  const box = document.getElementById("try-says");
  box.textContent = state ? document.getElementById("try").dataset[state] : "";
  box.hidden = !state;
}

/** Show what the rule would do to an issue that the viewer may see. */
export async function tryRule(rule, check) {
  const button = document.getElementById("try-it");
  document.getElementById("try-result").replaceChildren();
  button.disabled = true;
  const key = document.getElementById("try-issue").value.trim();
  trySays(key ? await tried(key, rule, check) : "empty");
  button.disabled = false;
}

/** Try it; return the name of what is to be said about that, if anything is. */
async function tried(key, rule, check) {
  if (rule.checked !== rule.change) await check();
  const change = rule.change;
  if (rule.checked !== change || rule.value === null) return "fix";
  trySays("reading");
  const found = await readIssue(key).catch(() => null);
  if (!found) return "absent";
  const cut = cutDown(found.issue.fields, found);
  const body = { rule: JSON.parse(rule.value), ...found };
  const response = await host.call("POST", "rules/preview", body).catch(() => null);
  if (!response?.ok) return "failed";
  const result = document.getElementById("try-result");
  result.innerHTML = await response.text(); // made by our server, every value in it escaped
  result.querySelector("h3").focus();
  if (change !== rule.change) return "stale";
  return cut ? "cut" : "";
}

async function readIssue(key) {
  const place = `/rest/api/3/issue/${encodeURIComponent(key)}`;
  const issue = await host.read(`${place}?fields=*all&expand=changelog`);
  const others = ["transitions", "editmeta"].map((name) => host.read(`${place}/${name}`));
  // Who may not edit an issue may still look what a rule would do to it.
  const [transitions, editmeta] = (await Promise.allSettled(others)).map((each) => each.value);
  const changelog = { histories: moves(issue.changelog?.histories ?? []) };
  const { id, key: name, fields } = issue;
  return { issue: { id, key: name, fields, changelog }, transitions, editmeta };
}

/** Keep of a history what moved the issue: the rest is long, and nobody asks for it. */
function moves(histories) {
  const isMove = (item) => (item.fieldId ?? item.field) === "status";
  return histories
    .map(({ id, created, author, items }) => {
      const who = author && { accountId: author.accountId };
      return { id, created, author: who, items: items.filter(isMove) };
    })
    .filter((entry) => entry.items.length);
}

/** Leave out what makes an issue very large; return whether that was so. */
function cutDown(fields, whole) {
  if (new Blob([JSON.stringify(whole)]).size < host.room) return false;
  if (fields.comment) fields.comment = { comments: [], total: 0 };
  if (fields.worklog) fields.worklog = { worklogs: [], total: 0 };
  if (fields.attachment) fields.attachment = [];
  return true;
}
