"""What ``nwauth doctor`` finds in stores that others manage: a directory, and the accounts of the system."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from nwauth.doctor import CANNOT_TELL
from tests.commands.common import COMMAND, environment
from tests.directories import ldif
from tests.directories.people import directory_of, person
from tests.directories.slapd import MAIL, PASSWORD
from tests.doctoring import Site, folder_for_all
from tests.systemusers import UNIX, Machine, needs_root

if TYPE_CHECKING:
    from pathlib import Path

    from tests.directories.slapd import Slapd

pytestmark = pytest.mark.usefixtures("no_other_servers")
OTHER = 12345
ACCOUNT = "{name}:x:{uid}:100::/home/{name}:/bin/sh"


# --- a directory -----------------------------------------------------------------------------------------------------


def serve(site: Site, server: Slapd, base: str, *, mode: str = "compare", more: str = "", before: str = "") -> None:
    """Have the site serve the users of a directory."""
    site.toml.write_text(
        f'{before}[[stores]]\nkind = "ldap"\nurls = "{server.url}"\nbase = "{base}"\nbind_dn = "{MAIL}"\n'
        f'bind_password = "{PASSWORD}"\nmode = "{mode}"\n{more}'
    )


def gone(*dns: str) -> str:
    """The LDIF that deletes entries."""
    return "".join(f"{ldif.line('dn', dn)}changetype: delete\n\n" for dn in dns)


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("{foo}bar", "unknown-passwords"),
        ("{CLEAR}x", "clear-text"),
        ("{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==", "weak-passwords"),
    ],
)
def test_passwords_of_a_directory_are_mended_there_or_by_it(site: Site, field: str, kind: str) -> None:
    server, base = directory_of("bob", "eve", userPassword=field)
    serve(site, server, base)
    one = site.found(kind)
    assert one.mend == (
        'give new passwords in the directory; or set mode = "bind" for the store ldap in'
        f" {site.toml}: the directory then checks them, in whatever form it has them"
    )
    serve(site, server, base, mode="bind")
    assert site.look() == []


def test_a_directory_that_shows_nobodys_password_lets_in_nobody(site: Site) -> None:
    server, base = directory_of("bob", "eve")
    serve(site, server, base, more='[stores.attributes]\npassword = "carLicense"\n')
    one = site.found("passwords-unseen")
    assert one.what == f"store ldap: of 2 users no carLicense can be seen by {MAIL}"
    assert 'set mode = "bind"' in one.mend
    serve(site, server, base, mode="bind")
    assert site.look() == []


def test_two_entries_with_one_name_are_told_with_what_they_are_called_there(site: Site) -> None:
    server, base = directory_of("bob", "dup")
    server.modify(person(base, "dup", dn=f"cn=the other,{base}", userPassword="secret"))
    serve(site, server, base, mode="bind")
    one = site.found("case-twins")
    assert one.severity == "error"
    assert one.what.startswith(
        "store ldap: 1 user is there twice, in the same spelling: dup; it says: 2 entries have the name 'dup'"
    )
    assert f"cn=the other,{base}" in one.what
    assert one.why.startswith("Nobody can tell which of the two is meant")
    assert one.mend.startswith("give one of the two another name in the directory: ")
    server.modify(gone(f"cn=the other,{base}"))
    assert site.look() == []


def test_users_whose_drop_path_cannot_be_told_are_named_and_hide_nobody(site: Site) -> None:
    """Every look-up of them is -DEAD, for two values as for a blank."""
    server, base = directory_of("bob", description="/mail/bob")
    server.modify(person(base, "two", dn=f"cn=two,{base}", description=["/mail/a", "/mail/b"], userPassword="secret"))
    server.modify(person(base, "wide", dn=f"cn=wide,{base}", description="/mail/w ide", userPassword="secret"))
    serve(site, server, base, mode="bind", more='[stores.attributes]\ndrop_path = "description"\n')
    one = site.found("unsayable")
    assert one.users == ("two", "wide")
    assert one.what.startswith(
        "store ldap: the servers cannot be told where the mail of 2 users is, or whose it is: two, wide; of two: entry"
    )
    assert "has 2 values of description: which is meant?" in one.what
    assert "[stores.attributes] of the store ldap" in one.mend
    server.modify(gone(f"cn=two,{base}", f"cn=wide,{base}"))
    assert site.look() == []


def test_a_store_that_answers_and_cannot_be_listed_is_told_as_that(site: Site) -> None:
    module = site.path / "module"
    module.write_text(
        "#!/bin/sh\nwhile read word name rest; do case $word in search) echo '-DEAD no room to sort in';;\n"
        'exit) exit;; *) echo "-ERR $name does not exist";; esac; done\n'
    )
    module.chmod(0o755)
    site.toml.write_text(f'[[stores]]\nkind = "process"\ncommand = ["{module}"]\n')
    one = site.found("cannot-list")
    assert (one.severity, "no room to sort in" in one.what) == (CANNOT_TELL, True)
    assert "the servers are answered for those whom it can tell" in one.why
    module.write_text("#!/bin/sh\nwhile read word rest; do echo '-DEAD the disk is gone'; done\n")
    assert site.found("store-down").severity == CANNOT_TELL
    assert site.found("store-down").mend.startswith("correct command in ")


# --- the accounts of the system --------------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return made_in(tmp_path)


def made_in(path: Path) -> Machine:
    """A machine with an account, and a folder that is served there."""
    made = Machine(path)
    made.accounts(ACCOUNT.format(name="bob", uid=1000))
    made.shadows("bob:!:20000::::::")
    (path / "mail").mkdir(mode=0o755)
    return made


def doctor(machine: Machine, toml: str = "", *, owner: int | None = None) -> list[dict[str, Any]]:
    """What the command finds there, without a mail server."""
    folder = machine.etc.parent / "mail"
    (folder / "nwauth.toml").write_text(f'[[stores]]\nkind = "system"\n{toml}')
    if owner is not None:
        for path in (machine.etc.parent, folder, folder / "nwauth.toml"):
            os.chown(path, owner, owner)
    done = subprocess.run(
        machine.command(*COMMAND, "--path", str(folder), "doctor", "--quiet"),
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (int(bool(found)), ""), done
    return found


def only(found: list[dict[str, Any]]) -> dict[str, Any]:
    (one,) = found
    return one


SERVICES = {
    "none": (None, "there is no PAM service file /etc/pam.d/nwauth", 'make one with the lines "auth required'),
    "an empty one": (
        "",
        '/etc/pam.d/nwauth has no line "auth" for the service nwauth, and PAM would refuse everybody',
        'add "auth required',
    ),
    "a module that lacks": (
        "auth required pam_gone.so\naccount required pam_unix.so\n",
        "the PAM service nwauth cannot tell: Module is unknown (28)",
        "install the module that lacks, or mend /etc/pam.d/nwauth",
    ),
}


@pytest.mark.parametrize("state", SERVICES)
def test_a_pam_service_that_lets_nobody_be_checked_is_told(machine: Machine, state: str) -> None:
    content, what, mend = SERVICES[state]
    assert doctor(machine) == []
    machine.service(content)
    one = only(doctor(machine))
    assert (one["id"], one["severity"], one["what"]) == ("cannot-check-passwords", "error", f"store system: {what}")
    assert mend in one["mend"]
    assert doctor(machine, 'passwords = "shadow"\n') == []
    machine.service(UNIX)
    assert doctor(machine) == []


@needs_root
@pytest.mark.parametrize("by", ["pam", "shadow"])
def test_a_folder_whose_owner_may_not_read_the_shadow_file_is_told(by: str) -> None:
    with folder_for_all() as path:  # others may look, too
        machine = made_in(path)
        assert doctor(machine, f'passwords = "{by}"\n') == []
        one = only(doctor(machine, f'passwords = "{by}"\n', owner=OTHER))
        assert one["id"] == "cannot-check-passwords"
        assert one["what"] == (
            "store system: a password in /etc/shadow can be checked by root alone, and"
            f" {path}/mail is served as uid {OTHER}"
        )
        assert one["mend"].startswith(
            "start the mail server's children as root, and leave the folder to root: chown root:"
        )


def test_accounts_that_differ_in_case_are_each_found_by_their_own_spelling(machine: Machine) -> None:
    machine.accounts(ACCOUNT.format(name="clash", uid=1000), ACCOUNT.format(name="Clash", uid=1001))
    one = only(doctor(machine))
    assert (one["id"], one["severity"]) == ("case-twins", "warning")
    assert one["what"] == "store system: 1 user differs from another in case alone: Clash"
    assert one["why"].startswith("Each is found by its own spelling alone: where the mail server puts names in lower")
    assert one["mend"] == "give one of the two another name, as root: usermod -l NEWNAME Clash"
    machine.run("sh", "-c", one["mend"].partition("root: ")[2].replace("NEWNAME", "newname"))
    assert doctor(machine) == []


def test_an_account_without_a_home_for_its_mail_is_told(machine: Machine) -> None:
    toml = 'drop_path = "{home}/Mailbox"\n'
    machine.accounts("bob:x:1000:100::home:/bin/sh", ACCOUNT.format(name="eve", uid=1001))
    one = only(doctor(machine, toml))
    assert (one["id"], one["users"]) == ("unsayable", ["bob"])
    assert one["what"].endswith(
        "of bob: the account 'bob' has no home folder for drop_path, found 'home': usermod -d sets one"
    )
    machine.run("sh", "-c", one["mend"].partition("root: ")[2].partition("; or ")[0].replace("FOLDER", "bob"))
    assert doctor(machine, toml) == []


@pytest.mark.parametrize("field", ["$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1"])
def test_a_weak_password_of_an_account_is_changed_by_passwd(machine: Machine, field: str) -> None:
    machine.shadows(f"bob:{field}:20000::::::")
    one = only(doctor(machine, 'passwords = "shadow"\n'))
    assert (one["id"], one["mend"]) == ("weak-passwords", "passwd bob, as root")
