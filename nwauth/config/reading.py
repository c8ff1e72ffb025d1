"""From the text of ``nwauth.toml`` to the configuration's values."""

from __future__ import annotations

from nwauth.config.part import MAX_SECONDS
from nwauth.config.stores import read_stores
from nwauth.config.values import (
    ADDRESSES,
    FORMATS,
    LEVELS,
    LOG_NAME,
    LOG_WORDS,
    POLICY_NAME,
    Config,
    LogConfig,
    NamesConfig,
    PolicyConfig,
    ServerConfig,
)
from nwauth.errors import ConfigError
from nwauth.options import Options, parsed_toml
from nwauth.passwords.values import SCHEMES_MADE, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def parsed(content: bytes, *, file: str, folder: str, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration in a file's `content`.

    Raises:
        ConfigError: it cannot be used; the text says file, key, found, wanted.
    """
    if not content.strip():  # of users in a database, files that nobody has filled would say that there are none
        raise ConfigError(
            f"{file}: found nothing in it, as a full disk or an editor at work leaves it, wanted settings; for none at"
            " all write a comment (# no settings), or remove the file"
        )
    options = Options(parsed_toml(content, file), file=file, environ=environ)
    config = _config(options, folder)
    options.finish()
    return config


def _config(options: Options, folder: str) -> Config:
    passwords = _passwords(options.table("passwords"))
    stores, routes = read_stores(options, passwords)
    return Config(
        folder=folder,
        file=options.file,
        stores=stores,
        routes=routes,
        server=ServerConfig(address=options.table("server").choice("address", "auto", ADDRESSES)),
        names=_names(options.table("names")),
        passwords=passwords,
        log=_log(options.table("log")),
        policy=_policy(options.table("policy")),
    )


def _names(table: Options) -> NamesConfig:
    given = NamesConfig()
    return NamesConfig(
        default_domain=table.text("default_domain", given.default_domain),
        allow_ats=table.boolean("allow_ats", given.allow_ats),
        allow_high_ascii=table.boolean("allow_high_ascii", given.allow_high_ascii),
        badchar=table.text("badchar", given.badchar),
        badchar_localpart=table.text("badchar_localpart", given.badchar_localpart),
    )


def _passwords(table: Options) -> Settings:
    given = Settings()
    argon2id = table.table("argon2id")
    lanes = argon2id.integer("lanes", given.argon2id_lanes, minimum=1, maximum=64)
    try:
        return Settings(
            scheme=table.choice("scheme", given.scheme, SCHEMES_MADE),
            argon2id_memory_kib=argon2id.integer(
                "memory_kib", given.argon2id_memory_kib, minimum=8 * lanes, maximum=1 << 20
            ),
            argon2id_iterations=argon2id.integer("iterations", given.argon2id_iterations, minimum=1, maximum=100),
            argon2id_lanes=lanes,
            bcrypt_cost=table.integer("bcrypt_cost", given.bcrypt_cost, minimum=4, maximum=16),
            sha512_rounds=table.integer("sha512_rounds", given.sha512_rounds, minimum=1_000, maximum=5_000_000),
            yescrypt_cost=table.integer("yescrypt_cost", given.yescrypt_cost, minimum=1, maximum=11),
            upgrade=table.boolean("upgrade", given.upgrade),
            memo_seconds=table.integer("memo_seconds", int(given.memo_seconds), minimum=0, maximum=MAX_SECONDS),
            netwin_weak=table.boolean("netwin_weak", given.netwin_weak),
            weak_after=table.date("weak_after", given.weak_after, or_word="never"),
        )
    except ValueError as error:  # values that do not go together
        raise ConfigError(f"{table.file}: passwords.{error}") from None


def _log(table: Options) -> LogConfig:
    given = LogConfig(file=LOG_NAME)
    return LogConfig(
        file=table.path("file", given.file, words=LOG_WORDS),
        level=table.choice("level", given.level, LEVELS),
        format=table.choice("format", given.format, FORMATS),
    )


def _policy(table: Options) -> PolicyConfig:
    given = PolicyConfig(file=POLICY_NAME)
    return PolicyConfig(
        file=table.path("file", given.file),
        named="file" in table,
        class_field=table.text("class_field", given.class_field),
    )
