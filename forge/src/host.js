// Our page in a frame of Forge's: Atlassian's bridge is the way to Jira, and through Jira
// to our server. Nothing goes from this frame to the network by itself.

import { invokeRemote, requestJira, router, view } from "@forge/bridge";
import { workflowRules } from "@forge/jira-bridge";

import { Failure, inTime, judged, use } from "../../app/static/host.js";

const ANSWER_MS = 10_000; // how long Jira's page around us may take to answer
const CALL_MS = 30_000; // and our server: Forge itself gives up after 25 s

/** Ask the product around us. */
const ask = (promise) =>
  inTime(promise, ANSWER_MS).catch(() => {
    throw new Failure("host");
  });

const extension = async () => (await ask(view.getContext())).extension ?? {};

/** Call our server. Forge does it, so what nobody waits for any more is only ignored. */
async function call(method, path, body, signal) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const asked = invokeRemote({ path: `/forge/api/v1/${path}`, method, headers, body });
  const answer = await inTime(asked, CALL_MS, "unreachable").catch(() => null);
  signal?.throwIfAborted();
  return judged(responseOf(answer));
}

/**
 * Make a response of what the bridge hands on.
 *
 * Its code hands on the status of each answer; its documentation promises that for 2xx
 * only. A server that would rather not rely on it answers 200, and says inside what it
 * thought: `{"answered": 422, "body": {…}}`.
 */
function responseOf(answer) {
  const meant = answer?.body?.answered;
  const status = meant ?? answer?.status;
  if (!(status >= 200 && status <= 599)) throw new Failure("unreachable");
  const body = meant ? answer.body.body : answer.body;
  const text = typeof body?.html === "string" ? body.html : JSON.stringify(body ?? null);
  return new Response(status === 204 ? null : text, { status });
}

/** Forge hands it out as text, or as what the text means. */
async function getConfiguration() {
  const { postFunctionConfig, conditionConfig } = await extension();
  const kept = postFunctionConfig ?? conditionConfig ?? "";
  return typeof kept === "string" ? kept : JSON.stringify(kept);
}

const onSave = (isValid, value) =>
  ask(workflowRules.onConfigure(() => (isValid() ? value() : undefined)));

async function read(url) {
  const response = await ask(requestJira(url));
  if (!response.ok) throw new Failure("host");
  return response.json();
}

/** Open an address in a window of its own; Jira asks the person first. */
const open = (url) =>
  router.open(url).then(
    () => true,
    () => false, // they would rather not
  );

use({
  room: 450_000, // Forge takes 500 kB
  call,
  getConfiguration,
  onSave,
  read,
  theme: () => view.theme.enable().catch(() => {}), // without it, we go by the browser's
  issue: async () => String((await extension()).issue?.id ?? ""),
  download: ({ url }) => open(url),
  follow: (event, url) => {
    event.preventDefault();
    open(url);
  },
});
