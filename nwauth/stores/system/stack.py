"""Whether PAM has a service file to go by: else it takes the one named ``other``, which refuses everybody."""

from __future__ import annotations

import os

from nwauth.errors import Unavailable

FOLDERS = ("/etc/pam.d", "/usr/lib/pam.d")  # the first that has the file counts
OLD_FILE = "/etc/pam.conf"  # read only where neither folder is there
NEEDED = ("auth", "account")


class Unset(Unavailable):
    """PAM has no file to go by; the text ends with the `mend`."""

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(f"{what}: {mend}" if mend else what)
        self.mend = mend

    @property
    def what(self) -> str:
        """The text without the mend."""
        return str(self).removesuffix(f": {self.mend}")


def must_be_there(service: str) -> None:
    """Raises Unset, which names the remedy, or Unavailable, where PAM would not use a file of this service's own."""
    if not any(map(os.path.isdir, FOLDERS)):
        _must_hold(OLD_FILE, [words[1:] for words in _lines(OLD_FILE) if words[0].lower() == service], service)
        return
    for folder in FOLDERS:
        file = f"{folder}/{service}"
        try:
            lines = _lines(file)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise Unavailable(f"the PAM service file {file} cannot be read: {error.strerror}") from None
        _must_hold(file, lines, service)
        return
    raise Unset(
        f"there is no PAM service file {FOLDERS[0]}/{service}",
        'make one with the lines "auth required pam_unix.so" and "account required pam_unix.so", or set'
        ' passwords = "shadow"',
    )


def _lines(file: str) -> list[list[str]]:
    """The words of every line that says something.  Raises OSError."""
    try:
        with open(file, "rb") as opened:
            content = opened.read()
    except FileNotFoundError:
        if file != OLD_FILE:
            raise
        return []
    text = content.decode("latin-1").replace("\\\n", " ")
    return [words for line in text.split("\n") if (words := line.partition("#")[0].split())]


def _must_hold(file: str, lines: list[list[str]], service: str) -> None:
    """Raises Unset where the file says nothing of a kind of question: the one named other would answer it."""
    kinds = {words[0].lower().removeprefix("-") for words in lines if words}
    lacking = [kind for kind in NEEDED if kind not in kinds]
    if lacking and "@include" not in kinds:
        raise Unset(
            f'{file} has no line "{lacking[0]}" for the service {service}, and PAM would refuse everybody',
            f'add "{lacking[0]} required pam_unix.so"',
        )
