"""A tiny add-on of our own, so that the sandbox is tested without the real one.

It answers what it is told to, keeps what it was sent, and has one page that uses
every part of AP the sandbox promises.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, request

Json = dict[str, Any]

KEY = "stand-in"
PAGE = """<!doctype html>
<html><head><title>Stand-in</title>
<script src="{all_js}" data-options="margin:false"></script>
<style>
  body {{ font: 14px sans-serif; color: var(--ds-text, #222);
          background: var(--ds-surface, #fff); margin: 0; }}
  .ac-content {{ display: flow-root; padding: 8px; }}
</style></head>
<body><div class="ac-content">
<h1>Stand-in page</h1>
<p>Configuration: <output id="config"></output></p>
<p>Token: <output id="token"></output></p>
<p>Summary: <output id="summary"></output></p>
<p>Missing: <output id="missing"></output></p>
<p>Asked: <output id="asked"></output></p>
<p>User: <output id="user"></output></p>
<label>Value <input id="value"></label>
<button id="grow" type="button">Grow</button>
<button id="say" type="button">Say</button>
<button id="open" type="button">Open</button>
<p>Dialog: <output id="dialog">not yet</output></p>
<div id="tall"></div>
</div><script src="/page.js"></script></body></html>
"""
SCRIPT = """
const show = (id, text) => { document.getElementById(id).textContent = text; };
AP.theming.initializeTheming();
AP.context.getToken().then((token) => {
  const part = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
  const claims = JSON.parse(atob(part));
  show("token", claims.qsh + " " + claims.sub);
});
AP.user.getCurrentUser((user) => show("user", user.atlassianAccountId));
AP.request({
  url: "/rest/api/3/issue/DEMO-1?fields=summary",
  success: (body) => show("summary", JSON.parse(body).fields.summary),
});
AP.request("/rest/api/3/issue/DEMO-99").catch((problem) => {
  const xhr = problem.xhr;
  show("missing", xhr.status + " " + xhr.getResponseHeader("Content-Type"));
});
Promise.all([
  "issue/DEMO-1/transitions", "issue/DEMO-1/editmeta", "project/search", "status",
  "project/DEMO/role", "role",
].map((path) => AP.request("/rest/api/3/" + path).then(
  () => path + " 200",
  (problem) => path + " " + problem.xhr.status,
))).then((all) => show("asked", all.join(", ")));
AP.jira.getWorkflowConfiguration((value) => {
  show("config", value || "none");
  document.getElementById("value").value = value || "";
});
const value = () => document.getElementById("value").value;
AP.jira.WorkflowConfiguration.onSaveValidation(() => value() !== "");
AP.jira.WorkflowConfiguration.onSave(() => value());
document.getElementById("grow").addEventListener("click", () => {
  document.getElementById("tall").style.height = "600px";
  AP.resize();
});
document.getElementById("open").addEventListener("click", () => {
  AP.dialog.create({ key: "box", header: "A dialog", chrome: true })
    .on("close", () => show("dialog", "closed"));
});
document.getElementById("say").addEventListener("click", () => {
  AP.flag.create({ title: "Saved", body: "It <b>worked</b>.", type: "success" });
});
"""

HOLD = (
    "user != null && (user.accountId == config.account || (config.role != null && "
    "user.getProjectRoles(project).map(r => r.id).includes(config.role)))"
)
MODULES: Json = {
    "jiraWorkflowPostFunctions": [
        {
            "key": "rule",
            "name": {"value": "Stand-in rule"},
            "triggered": {"url": "/triggered"},
            "create": {"url": "/page?view=create"},
            "edit": {"url": "/page?id={postFunction.id}"},
            "view": {"url": "/page?view=view"},
        }
    ],
    "jiraWorkflowConditions": [
        {
            "key": "hold",
            "name": {"value": "Stand-in hold"},
            "expression": HOLD,
            "create": {"url": "/page?view=create"},
            "edit": {"url": "/page?id={condition.id}"},
            "view": {"url": "/page?view=view"},
        }
    ],
    "generalPages": [
        {
            "key": "box",
            "name": {"value": "Stand-in box"},
            "url": "/page?box=1",
            "location": "none",
        }
    ],
    "configurePage": {
        "key": "config",
        "name": {"value": "Stand-in settings"},
        "url": "/page",
    },
    "jiraEntityProperties": [
        {
            "key": "run",
            "name": {"value": "Run"},
            "entityType": "issue",
            "keyConfigurations": [
                {
                    "propertyKey": "countersign.run",
                    "extractions": [{"objectName": "step", "type": "string"}],
                }
            ],
        }
    ],
}


class StandIn:
    """Its answers are set by the test; `seen` has every call with its body."""

    def __init__(self, base_url: str = "https://stand-in.test") -> None:
        self.base_url = base_url
        self.name = "Stand-in"
        self.all_js = ""
        self.status = 204
        self.text = ""
        self.statuses: list[int] = []
        """The next answers, one each; then `status` again."""
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.published: Json = {}
        """Answers of GET by path, in JSON: discovery and keys of an issuer."""
        self.doors: list[Callable[[Flask], None]] = []
        """What it serves besides: a Forge app's pages call it."""
        self.asked: list[str] = []
        """The paths of `published` that were asked for."""

    @property
    def descriptor(self) -> Json:
        return {
            "key": KEY,
            "name": self.name,
            "description": "Answers as the test wants.",
            "baseUrl": self.base_url,
            "authentication": {"type": "jwt"},
            "apiMigrations": {"signed-install": True, "context-qsh": True},
            "lifecycle": {
                "installed": "/installed",
                "uninstalled": "/uninstalled",
                "enabled": "/enabled",
                "disabled": "/disabled",
            },
            "scopes": ["READ", "WRITE"],
            "modules": copy.deepcopy(MODULES),
        }

    def transport(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """In place of the network."""
        answer = (
            self.app()
            .test_client()
            .open(
                urlsplit(url)._replace(scheme="", netloc="").geturl(),
                method=method,
                headers=dict(headers),
                data=body or None,
            )
        )
        return answer.status_code, answer.data

    def triggered(self) -> list[tuple[dict[str, str], bytes]]:
        return [(h, body) for _, path, h, body in self.seen if path == "/triggered"]

    def app(self) -> Flask:
        app = Flask("stand-in")

        @app.get("/atlassian-connect.json")
        def descriptor() -> Json:
            return self.descriptor

        @app.get("/issuers/<path:rest>")
        def issuer(rest: str) -> tuple[Json, int]:
            self.asked.append(rest)
            found = self.published.get(rest)
            return (found, 200) if found is not None else ({}, 404)

        @app.get("/page")
        def page() -> str:
            return PAGE.format(all_js=self.all_js)

        @app.get("/page.js")
        def script() -> Response:
            return Response(SCRIPT, mimetype="text/javascript")

        for serve in self.doors:
            serve(app)

        @app.post("/<path:path>")
        def call(path: str) -> Response:
            self.seen.append(
                (request.method, f"/{path}", dict(request.headers), request.data)
            )
            status = self.statuses.pop(0) if self.statuses else self.status
            return Response(self.text, status)

        return app
