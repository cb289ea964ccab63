"""The pages: each is reached from the README, each link leads somewhere, and their programs are Python."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.commands import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^```.*?^```\n", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```.*?^```\n|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")
PLACE = re.compile(r"\b(?:docs|examples|lua|taskproc|tests|tools)/[\w./-]*\w\.(?:lua|md|py|svg|toml)\b")
PROGRAM = re.compile(r"^```python\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    """The links of a page to others of the project, and within itself."""
    return [link for link in LINK.findall(CODE.sub("", page.read_text())) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """What a link into a page may name: its headings, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    missing = [place for place in PLACE.findall(page.read_text()) if not (ROOT / place).exists()]
    assert not missing


def test_every_page_is_linked_from_the_readme_and_every_picture_from_a_page() -> None:
    linked = {page: {(page.parent / link.partition("#")[0]).resolve() for link in links(page)} for page in PAGES}
    assert set((ROOT / "docs").glob("*.md")) - linked[ROOT / "README.md"] == set()
    assert set((ROOT / "docs").iterdir()) - set().union(*linked.values()) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_programs_are_python(page: Path) -> None:
    for program in PROGRAM.findall(page.read_text()):
        compile(program, str(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_every_example_is_tried() -> None:
    tried = (ROOT / "tests" / "test_examples.py").read_text()
    assert [path.name for path in (ROOT / "examples").glob("*.py") if f'"{path.name}"' not in tried] == []
