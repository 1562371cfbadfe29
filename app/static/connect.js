// Our page in a frame of Connect's: Atlassian's library AP is the way to Jira, and our own
// server is where the page came from.

import { Failure, inTime, judged, startDownload, use } from "./host.js";

const ANSWER_MS = 10_000; // how long Jira's page around us may take to answer

const { base, issue } = document.body.dataset;

const ask = (question) =>
  inTime(
    new Promise((resolve, reject) => question(resolve, () => reject(new Failure("host")))),
    ANSWER_MS,
  );

/** Call our server. The token is fresh, and travels in a header only. */
async function call(method, path, body, signal) {
  const token = await ask((done) => AP.context.getToken(done));
  const headers = { Authorization: `JWT ${token}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(`${base}/api/v1/${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("unreachable");
  }
  return judged(response);
}

/** Keep what somebody made; Jira asks for both at once, and waits for neither. */
async function onSave(isValid, value) {
  AP.jira.WorkflowConfiguration.onSaveValidation(isValid);
  AP.jira.WorkflowConfiguration.onSave(value);
}

const connect = {
  room: 900_000, // our server takes a little more
  call,
  getConfiguration: async () => (await ask((done) => AP.jira.getWorkflowConfiguration(done))) ?? "",
  onSave,
  read: (url) =>
    ask((done, fail) =>
      AP.request({ url, type: "GET", success: (text) => done(JSON.parse(text)), error: fail }),
    ),
  theme: () => AP.theming?.initializeTheming(),
  issue: async () => issue,
  download: startDownload,
  follow: () => {}, // links of ours open a window of their own
};

// The address holds the token that opened this page: take it out of sight and history.
history.replaceState(null, "", location.pathname + location.hash);

if (window.AP) use(connect);
