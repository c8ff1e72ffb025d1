"""Links and anchors lead somewhere, and every page of docs/ can be reached from the README and from its index."""

from __future__ import annotations

import os

import pytest

from tests.documents.pages import ROOT, anchors, links, names

INDEX = "docs/README.md"


def target(page: str, link: str) -> tuple[str, str]:
    """The file or folder that a link names, from the root, and the anchor."""
    path, _, anchor = link.partition("#")
    return (os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page), anchor


def inner_links(page: str) -> list[str]:
    return [link for link in links(page) if "://" not in link]


@pytest.mark.parametrize("page", names())
def test_every_link_leads_somewhere(page: str) -> None:
    for link in inner_links(page):
        path, anchor = target(page, link)
        assert (ROOT / path).exists(), link
        assert not anchor or anchor in anchors(path), link


@pytest.mark.parametrize("page", names())
def test_links_to_other_sites_are_encrypted(page: str) -> None:
    assert [link for link in links(page) if "://" in link and not link.startswith("https://")] == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set[str](), ["README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page in names():
            reached.add(page)
            waiting += [target(page, link)[0] for link in inner_links(page)]
    assert set(names()) - reached == set()


def test_the_index_names_every_page_once_or_more() -> None:
    listed = {target(INDEX, link)[0] for link in inner_links(INDEX)}
    assert {page for page in names() if page.startswith("docs/")} - {INDEX} - listed == set()
