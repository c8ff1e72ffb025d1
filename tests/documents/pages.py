"""The pages of the project, read as a forge reads them: blocks with the comments above them, headings and links."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
COMMENT = re.compile(r"<!--\s*(.*?)\s*-->", re.DOTALL)
MARKS = ("anew", "below", "first", "not run", "options", "run by")


class Block(NamedTuple):
    """A fenced block: what it is written in, its text, and what the comments right above it say.

    - ``<!-- not run: REASON -->``: nobody runs it, and why
    - ``<!-- run by: tests/test_x.py -->``: a test of its own does
    - ``<!-- first: COMMANDS -->``: run before it, and not shown
    - ``<!-- anew: COMMANDS -->``: the same in a new, empty folder, where a session begins anew
    - ``<!-- below: LINES -->``: what stands above it in the file of which it is a part
    - ``<!-- options: WORDS -->``: of a conversation, the options of the child
    """

    page: str
    line: int
    language: str
    text: str
    marks: dict[str, str]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def names() -> tuple[str, ...]:
    """Every page of the project, from its root."""
    folders = ("", "docs", "benchmarks", "examples", "nwauth")
    found = {path for folder in folders for path in (ROOT / folder).glob("**/*.md" if folder else "*.md")}
    pages = (str(path.relative_to(ROOT)) for path in found)
    return tuple(sorted(page for page in pages if not page.startswith("benchmarks/work/")))  # what they have unpacked


@cache
def text(page: str) -> str:
    return (ROOT / page).read_text()


def parsed(markdown: str) -> tuple[Token, ...]:
    return tuple(MarkdownIt("commonmark").enable("table").parse(markdown))


@cache
def tokens(page: str) -> tuple[Token, ...]:
    return parsed(text(page))


def marks_in(comments: str) -> dict[str, str]:
    """What comments say, by their first words; a word that is none of `MARKS` is a remark."""
    found = {}
    for comment in COMMENT.findall(comments):
        for mark in MARKS:
            if re.match(rf"{mark}\b", comment):
                found[mark] = comment.removeprefix(mark).removeprefix(":").strip()
    return found


def blocks_of(page: str) -> Iterator[Block]:
    return blocks_in(tokens(page), page)


def blocks_in(found: Iterable[Token], page: str) -> Iterator[Block]:
    above = ""
    for token in found:
        if token.type == "html_block":
            above += token.content
            continue
        if token.type in ("fence", "code_block"):
            assert token.map is not None
            language = token.info.strip() if token.type == "fence" else "indented"
            yield Block(page, token.map[0] + 1, language, token.content, marks_in(above))
        above = ""


@cache
def blocks() -> tuple[Block, ...]:
    """All of all pages, but of those that tell history."""
    told = [page for page in names() if page not in ("CHANGELOG.md", "DECISIONS.md")]
    return tuple(block for page in told for block in blocks_of(page))


def inline(page: str, kind: str) -> Iterator[Token]:
    """The parts of that kind in the running text of a page."""
    for token in tokens(page):
        for child in token.children or ():
            if child.type == kind:
                yield child


def links(page: str) -> list[str]:
    return [str(token.attrs["href"]) for token in inline(page, "link_open")]


@cache
def anchors(page: str) -> frozenset[str]:
    return anchors_in(tokens(page))


def anchors_in(headings: Iterable[Token]) -> frozenset[str]:
    """What headings are called in links, as GitHub, GitLab and Gitea call them."""
    found: dict[str, int] = {}
    each = iter(headings)
    for token in each:
        if token.type == "heading_open":
            title = "".join(child.content for child in next(each).children or ())
            name = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            count = found.get(name, -1) + 1
            found[name] = count
            if count:
                found[f"{name}-{count}"] = 0
    return frozenset(found)
