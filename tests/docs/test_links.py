"""Every link of every Markdown page leads to a file of the repository, and to a heading of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documents import pages
from places import ROOT

COMING: tuple[str, ...] = ()
"""Pages that others already link to and that may not be there yet."""

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def without_code(text: str) -> str:
    """The text without fenced and indented blocks and without code in lines."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(path: Path) -> set[str]:
    """The headings of the page as GitHub names them: lower case, hyphens for spaces, no other marks."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).lower().replace(" ", "-")
        number = next(it for it in range(len(found) + 1) if (f"{name}-{it}" if it else name) not in found)
        found.add(f"{name}-{number}" if number else name)
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda it: str(it.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        where, _, anchor = target.partition("#")
        there = (page.parent / where).resolve() if where else page
        if str(there.relative_to(ROOT)) in COMING and not there.exists():
            continue
        assert there.exists(), f"{target}: there is no {there}"
        assert there.is_relative_to(ROOT), f"{target} leads out of the repository"
        if anchor:
            assert anchor in anchors(there), f"{target}: {where or page.name} has no such heading"


def test_a_heading_that_comes_twice_has_two_names(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One\n\n## What it `costs`, exactly?\n\n## One\n\n```sh\n# no heading\n```\n", encoding="utf-8")
    assert anchors(page) == {"one", "what-it-costs-exactly", "one-1"}


def test_every_module_that_the_architecture_names_is_there() -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("*/**/*.py") if ".venv" not in path.parts}
    for page in (ROOT / "ARCHITECTURE.md", ROOT / "docs" / "decisions.md"):
        for named in re.findall(r"`([\w/]+/\w+\.py)`", page.read_text(encoding="utf-8")):
            found = [it for it in modules if it == named or it.endswith(f"/{named}")]
            assert found, f"{page.name} names {named}, which is not there"
