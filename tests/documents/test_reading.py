"""What finds the blocks, runs them and compares is itself tested: a page that lies must not pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nwauth.errors import ConfigError
from tests.documents.commands import is_as_shown, printed
from tests.documents.loading import LOADERS
from tests.documents.pages import Block, anchors_in, blocks_in, parsed
from tests.documents.sessions import Session, commands_of
from tests.documents.test_blocks import way

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """\
# A page

<!-- a remark -->
<!-- first:
mkdir mail
-->
```sh
echo one
```

Text, and then no comment.

```sh
echo two
```

- a list
  ```toml
  a = 1
  ```

<!-- not run: because of that -->

~~~
odd
~~~

    indented
"""


def found() -> list[Block]:
    return list(blocks_in(parsed(PAGE), "docs/page.md"))


def test_every_form_of_a_block_is_found() -> None:
    assert [(block.language, block.text) for block in found()] == [
        ("sh", "echo one\n"),
        ("sh", "echo two\n"),
        ("toml", "a = 1\n"),
        ("", "odd\n"),
        ("indented", "indented\n"),
    ]


def test_comments_count_for_the_block_below_them_alone() -> None:
    assert [block.marks for block in found()] == [
        {"first": "mkdir mail"},
        {},
        {},
        {"not run": "because of that"},
        {},
    ]


def test_a_block_with_no_way_has_none() -> None:
    assert [way(block) for block in found()] == ["sh", "sh", "toml", "not run", ""]
    assert way(Block("docs/page.md", 1, "", "> lookup bob\n< +OK\n", {})) == "conversation"
    assert way(Block("docs/page.md", 1, "", "lookup bob\n+OK\n", {})) == ""
    assert way(Block("docs/page.md", 1, "python", "pass\n", {})) == ""


def test_what_is_printed_stands_behind_a_hash_but_not_in_a_here_document() -> None:
    assert printed("cat > f <<'END'\n# a comment\nEND\ncat f\n# a comment\n#\n#   two blanks\n") == [
        "a comment",
        "",
        "  two blanks",
    ]


@pytest.mark.parametrize(
    ("shown", "seen", "same"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\nb", "a  \nb", True),
        ("a", "a\nb", False),
        ("a\nb", "b\na", False),
        ("", "a", False),
        ("a.c", "abc", False),
        ("took ... ms", "took 12 ms", True),
        ("took ... ms", "took 12 s", False),
        ("a\n...\nd", "a\nb\nc\nd", True),
        ("a\n...\nd", "a\nd", True),
        ("a\n...", "a", True),
        ("a\n...", "b", False),
    ],
)
def test_what_is_shown_is_compared(shown: str, seen: str, *, same: bool) -> None:
    assert is_as_shown(shown, seen) is same


def test_a_session_is_split_at_its_prompts() -> None:
    assert commands_of("$ cat > f <<END\n> a\n> END\n$ cat f\na\n\nb\n") == [
        ("cat > f <<END\na\nEND", ""),
        ("cat f", "a\n\nb\n"),
    ]


def test_a_session_keeps_what_was_exported_and_fails_where_its_preparation_does(tmp_path: Path) -> None:
    session = Session(tmp_path)
    assert session.play("export WORD=/var/lib/nwauth/x") == ""
    assert session.play("echo $WORD").strip() == "/var/lib/nwauth/x"
    with pytest.raises(AssertionError):
        session.prepare("false\ntrue")
    session.leave()


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("toml", "[server]\nadress = 1\n"),
        ("toml", '[policy]\ndefault = "maybe"\n'),
        ("toml", '[[user]]\nnam = "bob"\n'),
        ("conf", "authent_methods external\n"),
        ("conf", "authent_number many\n"),
        ("log", "no line of ours\n"),
        ("ndjson", '{"a": 1\n'),
    ],
)
def test_what_a_program_would_refuse_is_refused(language: str, text: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, ValueError, ConfigError)):
        LOADERS[language](text, tmp_path)


def test_anchors_are_those_of_a_forge() -> None:
    titles = "# One: `two` & three\n\n## A_b (c)\n\n## Again\n\n## Again\n"
    assert anchors_in(parsed(titles)) == {"one-two--three", "a_b-c", "again", "again-1"}
