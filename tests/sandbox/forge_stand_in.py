"""The stand-in as a Forge app: its manifest, and one page of Custom UI.

The page speaks to the bridge by `globalThis.__bridge`, which is what `@forge/bridge`
and `@forge/jira-bridge` do.
"""

import copy
from pathlib import Path
from typing import Any

import jwt
import yaml
from flask import Flask, request

from tests.sandbox.stand_in import HOLD, KEY

Json = dict[str, Any]

UUID = "0d6f2f4c-7a1b-4c9e-9d55-3b8e1f0a6c21"
APP_ID = f"ari:cloud:ecosystem::app/{UUID}"
SCOPES = [
    "read:jira-work",
    "write:jira-work",
    "manage:jira-configuration",
    "read:jira-user",
    "read:app-system-token",
    "read:app-user-token",
]
_SYSTEM = {"appSystemToken": {"enabled": True}}
_PAGES = {"resolver": {"endpoint": "pages"}}
_VIEWS = {view: {"resource": "page"} for view in ("create", "edit", "view")}


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Page</title>
<script type="module" src="./page.js"></script></head>
<body><h1>Forge page</h1>
<p>Context: <output id="context"></output></p>
<p>Extension: <output id="extension"></output></p>
<p>Answer: <output id="answer"></output></p>
<p>Refused: <output id="refused"></output></p>
<p>Summary: <output id="summary"></output></p>
<p>Me: <output id="me"></output></p>
<p>Elsewhere: <output id="elsewhere"></output></p>
<p>Unknown: <output id="unknown"></output></p>
<label>Value <input id="value"></label>
<button id="grow" type="button">Grow</button>
<button id="say" type="button">Say</button>
<button id="go" type="button">Go</button>
<button id="open" type="button">Open</button>
<div id="tall"></div></body></html>
"""
SCRIPT = """
const { callBridge } = globalThis.__bridge;
const byId = (id) => document.getElementById(id);
const show = (id, text) => { byId(id).textContent = text; };
const remote = (path) =>
  callBridge("invoke", { invokeType: "ui-remote-fetch", method: "GET", path });
const jira = (restPath) => callBridge("fetchProduct", {
  product: "jira", restPath, fetchRequestInit: { method: "GET", headers: [] },
});
const context = await callBridge("getContext");
const { extension } = context;
show("context", `${context.moduleKey} ${context.accountId} ${context.theme.colorMode}`);
show("extension", JSON.stringify(extension));
const saved = extension.postFunctionConfig ?? extension.conditionConfig ?? "";
byId("value").value = saved && JSON.parse(saved).value;
remote("/forge/api/known").then(({ success, payload }) =>
  show("answer", `${success} ${payload.status} ${payload.body.principal}`));
remote("/forge/api/refused").then(({ success, error }) =>
  show("refused", `${success} ${error.status} ${error.body.error}`));
jira("/rest/api/3/issue/DEMO-1?fields=summary").then(({ body }) =>
  show("summary", JSON.parse(body).fields.summary));
jira("/rest/api/3/myself").then(({ status, body }) =>
  show("me", `${status} ${JSON.parse(body).displayName}`));
jira("https://elsewhere.test/rest/").catch((error) => show("elsewhere", error.message));
callBridge("fly").catch((error) => show("unknown", error.message));
callBridge("enableTheming");
if (extension.type.startsWith("jira:workflow")) {
  const value = () => byId("value").value;
  const onConfigure = async () =>
    value() ? JSON.stringify({ value: value() }) : undefined;
  callBridge("setWorkflowRuleConfigurationCallback", { data: { onConfigure } });
}
byId("grow").onclick = () => { byId("tall").style.height = "700px"; };
byId("say").onclick = () => callBridge("showFlag", {
  id: "said", type: "success", title: "Saved", description: "It <b>worked</b>.",
});
byId("go").onclick = () =>
  callBridge("navigate", { type: "same-tab", target: "issue", issueKey: "DEMO-2" });
byId("open").onclick = () =>
  callBridge("navigate", { type: "new-tab", url: "/traffic" });
"""


def _endpoint(key: str, auth: Json | None = None) -> Json:
    made: Json = {"key": key, "remote": "remote", "route": {"path": f"/forge/{key}"}}
    return made | ({"auth": auth} if auth else {})


MODULES: Json = {
    "jira:workflowPostFunction": [
        {
            "key": "rule",
            "name": "Forge rule",
            "description": "Answers as the test wants.",
            "endpoint": "post-function",
            **_VIEWS,
            **_PAGES,
        }
    ],
    "jira:workflowCondition": [
        {
            "key": "hold",
            "name": "Forge hold",
            "description": "Holds.",
            "expression": HOLD,
            **_VIEWS,
            **_PAGES,
        }
    ],
    "jira:adminPage": [
        {
            "key": "config",
            "title": "Forge settings",
            "resource": "page",
            "useAsConfig": True,
            **_PAGES,
        }
    ],
    "jira:issuePanel": [
        {
            "key": "panel",
            "title": "Forge panel",
            "resource": "page",
            "icon": "icon.svg",
            **_PAGES,
        }
    ],
    "jira:entityProperty": [
        {
            "key": "run",
            "entityType": "issue",
            "propertyKey": "forge.run",
            "values": [{"path": "step", "type": "string"}],
        }
    ],
    "trigger": [
        {
            "key": "on-lifecycle",
            "endpoint": "lifecycle",
            "events": ["avi:forge:installed:app", "avi:forge:upgraded:app"],
        }
    ],
    "scheduledTrigger": [{"key": "hourly", "endpoint": "tick", "interval": "hour"}],
    "preUninstall": [{"key": "on-uninstall", "endpoint": "pre-uninstall"}],
    "endpoint": [
        _endpoint("post-function", _SYSTEM),
        _endpoint("lifecycle", _SYSTEM),
        _endpoint("tick", _SYSTEM),
        _endpoint("pre-uninstall"),
        {
            "key": "pages",
            "remote": "remote",
            "auth": {"appUserToken": {"enabled": True}},
        },
    ],
}


def manifest() -> Json:
    return {
        "app": {
            "id": APP_ID,
            "runtime": {"name": "nodejs22.x"},
            "connect": {"key": KEY},
        },
        "remotes": [{"key": "remote", "baseUrl": "https://stand-in.invalid"}],
        "modules": copy.deepcopy(MODULES),
        "resources": [{"key": "page", "path": "static/page"}],
        "permissions": {"scopes": list(SCOPES)},
    }


def serve(app: Flask) -> None:
    """What the page calls: it says who Forge said it was, or refuses as it may."""

    @app.get("/forge/api/known")
    def known() -> Json:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, options={"verify_signature": False})
        return {"principal": claims["principal"]}

    @app.get("/forge/api/refused")
    def refused() -> tuple[Json, int]:
        return {"error": "no"}, 403

    @app.get("/forge/api/text")
    def text() -> str:
        return "no JSON"


def write(folder: Path, raw: Json | None = None) -> Path:
    """The manifest in a folder of its own; its page is there as well."""
    page = folder / "static" / "page"
    page.mkdir(parents=True, exist_ok=True)
    (page / "index.html").write_text(PAGE)
    (page / "page.js").write_text(SCRIPT)
    path = folder / "manifest.yml"
    path.write_text(yaml.safe_dump(raw or manifest()))
    return path
