// The host: the product around our page, and through it our own server. A module that runs
// before app.js says which it is, by `use`: connect.js here, forge/src/host.js for Forge, and
// datacenter.js where there is none.

/**
 * What we ask of a host. What ends badly rejects with a `Failure`.
 *
 * @typedef {object} Host
 * @property {number} room
 *   How many bytes a call may carry.
 * @property {(method: string, path: string, body?: object, signal?: AbortSignal)
 *   => Promise<Response>} call
 *   Call our server, at a path below its API. What it thought of the call comes back by
 *   `judged`; what it answered after `signal` aborted does not.
 * @property {() => Promise<string>} getConfiguration
 *   What Jira keeps of the rule or condition on show; nothing if that is new.
 * @property {(isValid: () => boolean, value: () => string) => Promise<void>} onSave
 *   Be asked when somebody presses Jira's own button; what is not valid is not kept.
 *   Neither may take time: Connect does not wait.
 * @property {(url: string) => Promise<object>} read
 *   Read Jira's REST API with the viewer's own permissions.
 * @property {() => void} theme
 *   Have Jira's colours, and keep to them when they change.
 * @property {() => Promise<string>} issue
 *   The number of the issue that the page is beside.
 * @property {(answer: {url: string}) => Promise<boolean>} download
 *   Fetch the file that our server gave a ticket for; say whether that begins.
 * @property {(event: Event, url: string) => void} follow
 *   Show an address outside our pages; leave the event alone where the browser may do it.
 */

/** A call that did not end well; `kind` names the state that the page shows. */
export class Failure extends Error {
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}

/** @type {?Host} Nothing if there is no product around us. */
export let host = null;

export function use(adapter) {
  host = adapter;
}

/** Return `promise`, or fail if it takes too long. */
export function inTime(promise, ms, kind = "host") {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Failure(kind)), ms));
  return Promise.race([promise, late]);
}

/** Return our server's answer if it is one that a page can work with. */
export function judged(response) {
  if (response.status === 401) throw new Failure("refused");
  if (response.status === 403) throw new Failure("forbidden");
  if (response.status >= 500) throw new Failure("unreachable");
  return response;
}

/** Fetch a file by its ticket, as the browser does; the page stays. */
export async function startDownload({ url }) {
  const link = Object.assign(document.createElement("a"), { href: url, download: "" });
  link.hidden = true;
  document.body.append(link);
  link.click();
  link.remove();
  return true;
}

/** Fetch a part of a page. */
export async function fragment(method, path, body) {
  const response = await host.call(method, path, body);
  if (response.status === 404) throw new Failure("gone");
  if (!response.ok) throw new Failure("failed");
  return response.text();
}
