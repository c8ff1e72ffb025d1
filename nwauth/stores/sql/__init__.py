"""Users in a database: SQLite, PostgreSQL, MariaDB or MySQL, and others by SQLAlchemy (spec/stores.md section 2).

The rooms, in the order that a look-up passes them:

- `store`: `SqlStore`, the store itself; which of two databases may say "no"
- `table`: what a row is to us, and the statements that find and change it: `own` for the schema that ``nwauth init``
  makes, `foreign` for a table of somebody else's, with `columns` and `format` for what stands in it
- `link`: one kept connection: its time-outs, its one retry, and the breaker that spares a dead database
- `drivers`: one module a family of databases: connecting, quoting, and what its errors mean
- `adding`: what is written, one user or many, and read back; `together`: many changes in one transaction
- `octets`: text that a database cannot hold as it is
- `schema`: making and checking tables; with `drivers.general` the only users of SQLAlchemy, so a child that serves
  SQLite, PostgreSQL or MariaDB never waits for its import (DECISIONS.md, "SQL")
"""

from __future__ import annotations

from nwauth.stores.sql.drivers.base import Limits
from nwauth.stores.sql.store import SqlStore

__all__ = ["Limits", "SqlStore"]
