"""A machine with accounts of its own, for tests: a private ``/etc`` that only its processes see."""

from __future__ import annotations

from tests.systemusers.machine import UNIX, Machine, needs_root
from tests.systemusers.remote import Process, RemoteStore

__all__ = ["UNIX", "Machine", "Process", "RemoteStore", "needs_root"]
