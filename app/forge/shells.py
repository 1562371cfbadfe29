"""The frames of our pages as Forge serves them: files, from Connect's template."""

from pathlib import Path

import jinja2

from app.connect import descriptor
from app.forge.manifest import VIEWS

TEMPLATES = Path(__file__).parents[2] / "templates"
STYLESHEET = "./app.css"
SCRIPT = "./app.js"
"""Relative: Forge serves them below an address of its own."""


def render() -> dict[str, str]:
    """Return the HTML of each of the manifest's resources, by the resource's key."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined
    )
    template, titles = environment.get_template("shell.html"), descriptor.titles()
    return {
        resource: template.render(
            view=view,
            title=titles[view],
            base="",
            issue="",
            library="",
            stands_alone=False,
            stylesheet=STYLESHEET,
            scripts=[SCRIPT],
            preloads=[],
        )
        for resource, view in VIEWS.items()
    }


def write(folder: Path) -> None:
    """Write each frame into a folder of its own below `folder`."""
    for resource, html in render().items():
        place = folder / resource
        place.mkdir(parents=True, exist_ok=True)
        (place / "index.html").write_text(html, encoding="utf-8")
