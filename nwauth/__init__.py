"""User authentication for DMail, SurgeMail and every server that spawns a module of their line protocol."""

__version__ = "0.1.0"
