// Our page by itself: a self-managed Jira has no frame for it. Who looks at it came by a
// link of the operator's. Its ticket stands behind the address's "#", which no server and
// no proxy sees, and is good once; the token that it is changed for is in this memory only.

import { Failure, judged, startDownload, use } from "./host.js";

const RENEW_S = 300; // how long before its end a session is renewed
const LOOK_MS = 60_000; // how often that is looked at

const { base } = document.body.dataset;
const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");

// Out of sight and history, at once; it is no use to anybody in a moment.
history.replaceState(null, "", ticket ? `${location.pathname}#/overview` : location.href);

const session = { token: "", endsAt: 0 };
let asking = null; // the question for a token that is under way

async function send(path, options) {
  try {
    return await fetch(`${base}/${path}`, {
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      ...options,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("unreachable");
  }
}

const json = (method, body, token) => ({
  method,
  headers: {
    ...(token && { Authorization: `Bearer ${token}` }),
    ...(body !== undefined && { "Content-Type": "application/json" }),
  },
  body: body === undefined ? undefined : JSON.stringify(body),
});

async function ask(path, options) {
  const response = judged(await send(path, options));
  if (!response.ok) throw new Failure("refused");
  const { token, seconds } = await response.json();
  Object.assign(session, { token, endsAt: performance.now() + 1_000 * seconds });
}

const left = () => (session.endsAt - performance.now()) / 1_000;

/** Return a token that is good now; whoever asks meanwhile waits for the same answer. */
async function fresh() {
  if (!session.token && !ticket) throw new Failure("refused");
  if (!session.token || left() < RENEW_S) {
    asking ??= (
      session.token
        ? ask("session/renew", json("POST", {}, session.token))
        : ask("session", json("POST", { ticket }))
    ).finally(() => (asking = null));
    // The one at hand may be good still: a session of which nothing is left to renew.
    await asking.catch((error) => {
      if (!session.token || left() <= 0) throw error;
    });
  }
  return session.token;
}

async function call(method, path, body, signal) {
  const token = await fresh();
  return judged(await send(`api/v1/${path}`, { ...json(method, body, token), signal }));
}

setInterval(() => {
  if (session.token && document.visibilityState === "visible") fresh().catch(() => {});
}, LOOK_MS);

const noJira = async () => {
  throw new Failure("host"); // with whose permissions? Nobody is signed in to Jira here
};

use({
  room: 900_000, // our server takes a little more
  call,
  getConfiguration: async () => "",
  onSave: async () => {}, // the form has a button of ours
  read: noJira,
  theme: () => {}, // the browser's own
  issue: noJira,
  download: startDownload,
  follow: () => {},
});
