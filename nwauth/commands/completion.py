"""``nwauth completion``: the script for a shell, and the answers that it asks for.

The script hands over the line up to the cursor.  Whatever goes wrong then, nothing is printed but completions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command
from nwauth.commands.completing import end_in_time
from nwauth.commands.session import Choices

if TYPE_CHECKING:
    from nwauth.commands.session import Session

BASH = """\
_nwauth_completion() {
    local kind value
    COMPREPLY=()
    while IFS=$'\\t' read -r kind value; do
        case $kind in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            plain)
                [[ $value == *= ]] && compopt -o nospace 2>/dev/null
                printf -v value %q "$value"
                COMPREPLY+=("$value") ;;
        esac
    done < <("$1" completion bash --answer "${COMP_LINE:0:COMP_POINT}" --breaks "$COMP_WORDBREAKS" 2>/dev/null)
}
complete -F _nwauth_completion nwauth
"""
ZSH = """\
#compdef nwauth
_nwauth_completion() {
    local kind value
    local -a values beginnings
    while IFS=$'\\t' read -r kind value; do
        case $kind in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            plain) if [[ $value == *= ]]; then beginnings+=("$value"); else values+=("$value"); fi ;;
        esac
    done < <("${words[1]}" completion zsh --answer "${(j: :)words[1,CURRENT]}" 2>/dev/null)
    (( ${#values} )) && compadd -U -- "${values[@]}"
    (( ${#beginnings} )) && compadd -U -S '' -- "${beginnings[@]}"
}
compdef _nwauth_completion nwauth
"""
FISH = """\
function __nwauth_completion
    for line in (nwauth completion fish --answer (commandline -cp | string collect) 2>/dev/null)
        set -l parts (string split -m 1 \\t -- $line)
        switch $parts[1]
            case dir
                __fish_complete_directories (commandline -ct)
            case file
                __fish_complete_path (commandline -ct)
            case plain
                echo $parts[2]
        end
    end
end
complete -c nwauth -f -a '(__nwauth_completion)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


@command(
    "completion",
    examples=(
        'eval "$(nwauth completion bash)"      # in ~/.bashrc',
        'eval "$(nwauth completion zsh)"       # in ~/.zshrc, after compinit',
        "nwauth completion fish > ~/.config/fish/completions/nwauth.fish",
    ),
)
@click.argument("shell", type=click.Choice(tuple(SCRIPTS)))
@click.option("--answer", "line", hidden=True)
@click.option("--breaks", default="", hidden=True)
def completion(session: Session, *, shell: str, line: str | None, breaks: str) -> int:
    """Print a script by which a shell completes commands, options and the names of users."""
    if line is None:
        session.results.text(SCRIPTS[shell].rstrip("\n"))
        return 0
    end_in_time()
    try:
        found = answers(line, breaks=breaks)
    except Exception:  # noqa: BLE001, the user is in the middle of a line
        return 0
    if found:
        session.results.text("\n".join(found))
    return 0


def answers(line: str, *, breaks: str) -> list[str]:
    """What could stand at the end of `line`: ``plain``, a tab and a word, or ``dir`` or ``file`` for the shell to find.

    bash replaces only what follows the last of its `breaks`, such as ``@`` and ``=``: what stands before is cut off.
    """
    from click.shell_completion import ShellComplete, split_arg_string

    from nwauth.commands.group import root

    words = split_arg_string(line)[1:]
    last = words.pop() if words and not line[-1:].isspace() else ""
    cut = max((last.rfind(character) for character in breaks if not character.isspace()), default=-1) + 1
    items = ShellComplete(root, {"obj": Choices()}, "nwauth", "").get_completions(words, last)
    return [item.type if item.type in ("dir", "file") else f"plain\t{str(item.value)[cut:]}" for item in items]
