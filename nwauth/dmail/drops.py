"""Drop files: where the servers put a user's mail, and look for it."""

from __future__ import annotations


def hashed_path(base: str, main: str, file: str, *, levels: int) -> str | None:
    r"""The path of a drop file under `base`, in a folder for each of the first `levels` letters of `main`, lower-cased.

    `main` is the name without its prefix: ``path\b\o\dom1_BOB``.  A base of Windows' keeps its backslashes.  None: the
    name would lead out of the base.
    """
    if not main or "/" in file or "\\" in file or ".." in file:
        return None
    separator = "\\" if is_windows_path(base) else "/"
    return separator.join([base.rstrip("/\\"), *main.lower()[:levels], file])


def is_windows_path(path: str) -> bool:
    r"""Whether a path is one of Windows: ``c:\dmail\in``."""
    return "\\" in path or (path[1:2] == ":" and path[:1].isalpha())
