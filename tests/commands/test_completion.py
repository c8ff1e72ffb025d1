"""``nwauth completion``: the scripts, and what they are answered."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess

import pytest

from tests.commands.common import BOB, COMMAND, SETTINGS, Terminal, base, environment, run


def answers(folder: str, line: str, breaks: str = "") -> list[str]:
    done = run(folder, "completion", "bash", "--answer", line, "--breaks", breaks)
    assert (done.status, done.err) == (0, "")
    return done.out.splitlines()


def test_commands_options_and_names_are_completed(folder: str) -> None:
    base(folder, users=BOB + b"bea@test.com:*x:\neve:*x:\n")
    assert answers(folder, "nwauth me") == ["plain\tmerge"]
    assert answers(folder, "nwauth user re") == ["plain\trename", "plain\tresume"]
    assert answers(folder, "nwauth user show --show") == ["plain\t--show-hash"]
    assert answers(folder, "nwauth user show b") == ["plain\tbea@test.com", "plain\tbob@test.com"]
    assert answers(folder, "nwauth user del bob@test.com e") == ["plain\teve"]
    assert answers("/nowhere", f"nwauth -path {folder} user show e") == ["plain\teve"]
    assert answers(folder, "nwauth -path /t") == ["dir"]


def test_the_app_passwords_of_the_user_that_is_named_are_completed(folder: str) -> None:
    base(folder, users=b'bob:*x:app_passwords="phone;what|Pad;what|tablet;what"\neve:*x:\n')
    assert answers(folder, "nwauth user app del bob p") == ["plain\tphone", "plain\tPad"]
    assert answers(folder, "nwauth user app del eve ") == []
    assert answers(folder, "nwauth user app del nobody ") == []


def test_bash_gets_what_follows_the_last_break(folder: str) -> None:
    assert answers(folder, "nwauth user show bob@t", " \n@=:") == ["plain\ttest.com"]


def test_trouble_is_never_shown(folder: str) -> None:
    base(folder, settings="bad =")
    assert answers(folder, "nwauth user show b") == []
    assert answers("/nowhere", "nwauth user show b") == []
    assert answers(folder, "nwauth 'no such") == []


def test_no_more_names_are_offered_than_can_be_looked_at(folder: str) -> None:
    base(folder, users=b"".join(b"user%05d:*x:\n" % number for number in range(5000)))
    assert len(answers(folder, "nwauth user show u")) == 100


@pytest.mark.parametrize("is_merged", [True, False])
def test_names_are_found_wherever_they_stand_in_a_long_file(folder: str, *, is_merged: bool) -> None:
    names = [f"{'USER' if number % 3 else 'user'}{number * 7919 % 6000:05d}@test.com" for number in range(6000)]
    lines = [f"{name}:*{'x' * (number % 9)}:\n".encode() for number, name in enumerate(names)]
    base(folder, users=b"".join(lines))
    os.utime(os.path.join(folder, "nwauth.txt"), (1, 1))
    if is_merged:  # in order, with an index
        assert run(folder, "merge", "--quiet").status == 0
        assert os.path.exists(os.path.join(folder, "nwauth.idx"))
    assert run(folder, "user", "add", "user19999x", "--generate", "--quiet").status == 0
    assert run(folder, "user", "del", "user00001@test.com", "--yes", "--quiet").status == 0
    everyone = sorted({*map(str.lower, names), "user19999x"} - {"user00001@test.com"})
    for typed in ("user00", "uSer0123", "user05999", "user00001", "", "t", "zz", "user04500@test.com"):
        found = [line.partition("\t")[2].lower() for line in answers(folder, f"nwauth user show {typed}")]
        assert found == [name for name in everyone if name.startswith(typed.lower())][:100], typed


def test_bash_completes_with_the_script(folder: str) -> None:
    keys = (
        'COMP_LINE="nwauth user show bob@"; COMP_POINT=${#COMP_LINE}; _nwauth_completion nwauth; echo "${COMPREPLY[@]}"'
    )
    script = f'PATH="{os.path.dirname(COMMAND[0])}:$PATH"; eval "$(nwauth completion bash)" && {keys}'
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment(NWAUTH_PATH=folder), check=True
    )
    assert (done.stdout, done.stderr) == ("test.com\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_reads(folder: str, shell: str) -> None:
    script = run(folder, "completion", shell)
    assert (script.status, script.err) == (0, "")
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    subprocess.run([shell, "-n"], input=script.out, text=True, check=True)


POLICY = """\
[policy]
default = "allow"

[[rule]]
name = "lessons"
deny = true
class = ["student", "pupil"]
when = "Mon-Fri 08:30-12:00"
"""


def plain(*words: str) -> list[str]:
    return [f"plain\t{word}" for word in words]


def test_fields_and_their_values_are_completed(folder: str) -> None:
    with open(os.path.join(folder, "policy.toml"), "w", encoding="ascii") as file:
        file.write(POLICY)
    base(folder, users=b'bob@test.com:*secret:quota="5" room="B 12" phone="42"\n')
    line = "nwauth user set bob@test.com"
    assert answers(folder, f"{line} qu") == plain("quota=")
    assert answers(folder, f"{line} ") == plain(
        "full_name=", "quota=", "fwd=", "mailstatus=", "valid_from=", "valid_until=", "mailaccess=", "room=", "phone="
    )
    assert answers(folder, f"{line} mailaccess=") == plain("mailaccess=pupil", "mailaccess=student")
    assert answers(folder, f"{line} mailaccess=s", " @=:") == plain("student")
    assert answers(folder, f"{line} mailstatus=s") == plain("mailstatus=suspended")
    assert answers(folder, f"{line} phone=") == plain("phone=42")
    assert answers(folder, "nwauth user add eve qu") == plain("quota=")
    assert answers(folder, "nwauth policy show s") == plain("student")


def test_a_secret_is_not_completed(folder: str) -> None:
    base(folder, users=b'bob@test.com:*secret:app_passwords="phone;{ssha256}ZGlnZXN0" phone="42"\n')
    line = "nwauth user set bob@test.com"
    assert answers(folder, f"{line} phone=") == plain("phone=42")
    assert answers(folder, f"{line} app_passwords=") == []
    assert "plain\tapp_passwords=" not in answers(folder, f"{line} ")


def test_stores_and_files_are_completed(folder: str) -> None:
    base(folder, settings=SETTINGS + '\n[[stores]]\nkind = "passwd"\npath = "{domain}/passwd"\nname = "fleet"\n')
    assert answers(folder, "nwauth --store f") == plain("flatfile", "fleet")
    assert answers(folder, "nwauth user list --store fle") == plain("fleet")
    assert answers(folder, "nwauth copy --from fla") == [*plain("flatfile"), "dir"]
    for line in (
        "apply pl",
        "policy check po",
        "policy try po",
        "doctor --dmail-conf dm",
        "user passwd b --password-file x",
    ):
        assert answers(folder, f"nwauth {line}") == ["file"], line


def test_every_parameter_that_names_something_is_completed() -> None:
    """A new command's file, user or store is not forgotten."""
    import click

    from nwauth.commands.group import root

    def lacking(one: click.Command, path: str) -> list[str]:
        if isinstance(one, click.Group):
            context = click.Context(one)
            inner = [(name, one.get_command(context, name)) for name in one.list_commands(context)]
            return [text for name, found in inner if found is not None for text in lacking(found, f"{path} {name}")]
        words = {"FILE", "PLAN", "STORE", "USER", "LOG", "DIR", "NEW_FILE"}
        named = [parameter for parameter in one.params if str(parameter.metavar or parameter.name).upper() in words]
        return [f"{path} {parameter.name}" for parameter in named if not offers(parameter)]

    def offers(parameter: click.Parameter) -> bool:
        return bool(parameter._custom_shell_complete) or isinstance(parameter.type, click.Path | click.File)

    assert lacking(root, "nwauth") == []


# --- in the shells themselves ----------------------------------------------------------------------------------------

SHELLS = {
    "bash": (("bash", "--norc", "--noprofile"), 'eval "$(nwauth completion bash)"'),
    "zsh": (("zsh", "-f"), 'autoload -Uz compinit; compinit -u -D; eval "$(nwauth completion zsh)"'),
    "fish": (("fish", "--no-config"), "nwauth completion fish | source"),
}
READY = "shell is ready"
STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x07\x08\r]")


class Shell:
    """A shell on a terminal, with the completion in it."""

    def __init__(self, shell: str, folder: str) -> None:
        if shutil.which(shell) is None and os.environ.get("CI") != "true":
            pytest.skip(f"no {shell} here")
        command, script = SHELLS[shell]
        path = f"{os.path.dirname(COMMAND[0])}:{os.environ['PATH']}"
        home = os.path.join(folder, "home")
        os.mkdir(home)
        self._terminal = Terminal(folder, command=command, cwd=folder, columns=200, PATH=path, HOME=home, NO_COLOR="1")
        self._terminal.answers_queries = True
        self._terminal.type(f"{script}; echo {READY[:5]}' '{READY[6:]}\n")
        self._terminal.expect(READY)

    def completes(self, line: str, to: str) -> None:
        """Press Tab behind `line`; wait for what then stands there; take the line back."""
        start = len(self._terminal.screen)
        self._terminal.type(f"{line}\t")
        while to not in STEERING.sub("", self._terminal.screen[start:]):
            assert self._terminal.reads(), self._terminal.screen
        self._terminal.type("\x15")

    def runs(self, line: str, shown: str) -> None:
        """Press Tab and Enter behind `line`, and wait for what is shown."""
        self._terminal.type(f"{line}\t")
        self._terminal.type("\n")
        self._terminal.expect(shown)

    def leaves(self) -> None:
        self._terminal.type("\x15exit\n")
        self._terminal.end()


@pytest.mark.parametrize("name", SHELLS)
def test_tab_completes_in_the_shell_itself(folder: str, name: str) -> None:
    with open(os.path.join(folder, "policy.toml"), "w", encoding="ascii") as file:
        file.write(POLICY)
    shell = Shell(name, folder)
    shell.completes("nwauth comple", "completion ")
    shell.completes("nwauth user sho", "show ")
    shell.completes("nwauth user show b", "bob@test.com ")
    shell.completes("nwauth user show bob@t", "est.com ")
    shell.completes("nwauth user set bob@test.com quo", "quota=")
    shell.completes("nwauth user set bob@test.com mailaccess=st", "student ")
    shell.completes("nwauth --stor", "--store ")
    shell.completes("nwauth --store fl", "flatfile ")
    shell.completes("nwauth policy check pol", "policy.toml ")
    shell.leaves()


@pytest.mark.parametrize("name", SHELLS)
def test_a_hostile_name_is_completed_as_a_word(folder: str, name: str) -> None:
    base(folder, users=b"eve$(touch hacked);x:*x:\n")
    shell = Shell(name, folder)
    shell.runs("nwauth user show ev", "clear")
    shell.leaves()
    assert not os.path.exists(os.path.join(folder, "hacked"))


def test_a_store_that_never_answers_ends_the_completion(folder: str) -> None:
    """The server takes the connection and says nothing, longer than the completion may take."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://mail:x@127.0.0.1:{silent.getsockname()[1]}/mail"
        base(folder, settings=f'[[stores]]\nkind = "sql"\nurl = "{url}"\n')
        line = "nwauth user show b"
        done = subprocess.run(
            [*COMMAND, "completion", "bash", "--answer", line],
            capture_output=True,
            env=environment(NWAUTH_PATH=folder),
            timeout=20,
            check=False,
        )
        silent.settimeout(0)
        connection, _ = silent.accept()  # it was asked
        connection.close()
    assert (done.stdout, done.stderr) == (b"", b"")
