"""Pages of Custom UI: which the app has, and what each is told of where it is."""

from dataclasses import dataclass, field
from typing import Any

from sandbox import catalogue
from sandbox.forge import manifest
from sandbox.forge.app import KINDS, ForgeApp
from sandbox.people import Person
from sandbox.traffic import IFRAME, Entry
from sandbox.world import CONDITION, POST_FUNCTION, Issue, Rule

Json = dict[str, Any]

ADMIN_ONLY = frozenset({manifest.ADMIN_PAGE, *KINDS.values()})
_CONFIG = {POST_FUNCTION: "postFunctionConfig", CONDITION: "conditionConfig"}


@dataclass(frozen=True)
class Page:
    """One module in a frame."""

    kind: str
    key: str
    title: str
    resource: str
    extension: Json = field(default_factory=dict)
    """What of Jira it is shown beside."""
    is_configuration: bool = False
    """Whether the button "Configure" leads to it."""


def admin_pages(app: ForgeApp) -> list[Page]:
    return [
        _page(manifest.ADMIN_PAGE, module, str(module["resource"]))
        for module in app.modules(manifest.ADMIN_PAGE)
    ]


def find(app: ForgeApp, key: str, issue: Issue | None) -> Page | None:
    """By its module's key, a rule's too; the first admin page without one."""
    found = [*admin_pages(app), *(panels(app, issue) if issue else [])]
    found += [
        _page(kind, module, "")
        for kind in KINDS.values()
        for module in app.modules(kind)
    ]
    return next((page for page in found if key in {"", page.key}), None)


def panels(app: ForgeApp, issue: Issue) -> list[Page]:
    """Jira hides them behind a button of the issue; here they are open at once."""
    project = next(p for p in catalogue.PROJECTS if p.key == issue.project)
    kind = next(t for t in catalogue.ISSUE_TYPES if t.id == issue.issuetype)
    extension = {
        "issue": {
            "id": issue.id,
            "key": issue.key,
            "type": kind.name,
            "typeId": kind.id,
        },
        "project": {"id": project.id, "key": project.key, "type": "software"},
        "isNewToIssue": False,
    }
    return [
        _page(manifest.ISSUE_PANEL, module, str(module["resource"]), extension)
        for module in app.modules(manifest.ISSUE_PANEL)
    ]


def rule(
    app: ForgeApp, made: Rule, view: str, transition: catalogue.Transition
) -> Page | None:
    """What creates, edits or shows a rule; None when Forge has nothing for it."""
    module = app.module_of(made)
    if module is None or view not in module:
        return None
    extension: Json = {
        "isNewEditor": True,
        "transitionContext": {
            "id": transition.id,
            "from": _from(transition),
            "to": _status(transition.to),
        },
    }
    if view != "create":
        # as it was saved: a string
        extension[_CONFIG[made.kind]] = made.value
    resource = str(module[view]["resource"])
    return _page(KINDS[made.kind], module, resource, extension)


def _from(transition: catalogue.Transition) -> Json | None:
    return _status(transition.sources[0]) if transition.sources else None


def _status(number: str) -> Json:
    found = next(s for s in catalogue.STATUSES if s.id == number)
    category = catalogue.CATEGORIES[found.category][1]
    named = {"id": found.id, "name": found.name, "statusCategory": category}
    return named | {"description": ""}


def _page(
    kind: str, module: Json, resource: str, extension: Json | None = None
) -> Page:
    title = str(module.get("title") or module.get("name"))
    told = {"type": kind} | (extension or {})
    is_configuration = bool(module.get("useAsConfig"))
    return Page(kind, str(module["key"]), title, resource, told, is_configuration)


def context(app: ForgeApp, page: Page, person: Person) -> Json:
    """What `view.getContext` gives, but for the theme: the browser knows that."""
    kept, place = app.kept, app.place
    made = {
        "accountId": person.account_id,
        "cloudId": place.cloud_id,
        "siteUrl": place.site_url,
        "moduleKey": page.key,
        "localId": kept.extension_id(page.key),
        "environmentId": kept.environment,
        "environmentType": kept.environment_type,
        "locale": "en-US",
        "timezone": "Etc/UTC",
        "extension": page.extension,
    }
    entry = Entry(
        at=app.world.stamp(),
        direction=IFRAME,
        method="",
        url=f"view.getContext() of {page.key}",
        claims=made,
        verdict="issued",
        note=f"Forge · page for {person.name}",
    )
    app.addon.traffic.add(entry)
    return made
