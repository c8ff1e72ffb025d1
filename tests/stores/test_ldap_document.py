"""docs/ldap.md lists every setting there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nwauth.config import read
from nwauth.errors import ConfigError

DOCS = Path(__file__).parents[2] / "docs"
LEAST = '[[stores]]\nkind = "ldap"\nurls = "ldap://a"\nbase = "dc=x"\n'


def keys(table: str) -> set[str]:
    """Those that the program knows, by its own words for one that it does not."""
    return {word.strip() for word in table.split(",")}


@pytest.mark.parametrize(
    ("heading", "toml"), [("## Every setting", ""), ("Under `[stores.attributes]`", "[stores.attributes]\n")]
)
def test_every_setting_is_in_the_table(heading: str, toml: str, tmp_path: Path) -> None:
    (tmp_path / "nwauth.toml").write_text(f"{LEAST}{toml}zzzzzzzz = 1\n")
    with pytest.raises(ConfigError) as raised:
        read(str(tmp_path))
    known = keys(str(raised.value).partition("wanted one of ")[2])
    rows = (DOCS / "ldap.md").read_text().partition(heading)[2]
    table = next(part for part in rows.split("\n\n") if part.startswith("| key"))
    told = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    of_every_store = {"kind", "read_only", "attributes", "name"} | {key for key in known if key.startswith(ROUTES)}
    assert known - of_every_store <= told
    assert told - {"match", "strip_suffix"} <= known


ROUTES = ("match", "do_", "strip_", "fall_", "migrate_")
