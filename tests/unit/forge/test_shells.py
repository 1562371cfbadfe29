"""The frames that Forge serves: Connect's template, without what is Connect's alone."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.connect import descriptor
from app.forge import manifest, shells
from app.forge.commands import forge

RENDERED = shells.render()


@pytest.mark.parametrize("resource", manifest.VIEWS)
def test_frame_is_for_its_view(resource: str) -> None:
    view = manifest.VIEWS[resource]

    assert f'<body data-view="{view}" data-base="">' in RENDERED[resource]
    assert f"<title>{descriptor.titles()[view]} " in RENDERED[resource]


@pytest.mark.parametrize("resource", manifest.VIEWS)
def test_frame_fetches_only_what_lies_beside_it(resource: str) -> None:
    html = RENDERED[resource]

    assert re.findall(r'(?:src|href)="([^#"]+)"', html) == ["./app.css", "./app.js"]
    # Forge's content policy lets nothing run that stands in the page.
    assert len(re.findall("<script", html)) == 1
    assert not re.search(r"<style|\son\w+=|\sstyle=", html)


def test_command_writes_each_into_its_folder(tmp_path: Path) -> None:
    done = CliRunner().invoke(forge, ["shells", str(tmp_path / "static")])

    assert done.exit_code == 0
    written = {path.parent.name: path for path in tmp_path.rglob("index.html")}
    assert set(written) == set(manifest.VIEWS)
    for resource, path in written.items():
        assert path.read_text(encoding="utf-8") == RENDERED[resource]
