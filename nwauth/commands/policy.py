"""``nwauth policy``: what the access rules say, whether they are sound, and what others would do."""

from __future__ import annotations

from nwauth.commands.group import LazyGroup

policy = LazyGroup(
    "policy",
    help="""The access rules of policy.toml: who may log in, when, from where.

They decide about logins only: mail is delivered whatever they say.""",
    examples=(
        "nwauth policy show student --week",
        "nwauth policy check",
        "nwauth policy try new.toml --replay nwauth.log",
    ),
    commands={
        "show": "policy_show:show",
        "check": "policy_check:check",
        "try": "policy_try:try_",
        "import": "policy_import:import_",
    },
)
