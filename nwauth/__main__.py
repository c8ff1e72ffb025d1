"""``python -m nwauth``: the same as the installed command."""

from nwauth.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
