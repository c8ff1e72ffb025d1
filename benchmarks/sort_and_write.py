"""The least that a sorted user file takes: its lines read, sorted by the folded name, written and made durable.

usage: sort_and_write.py FROM TO
"""

import os
import sys

with open(sys.argv[1], "rb") as source:
    rows = source.readlines()
rows.sort(key=lambda row: row[: row.index(b":")].lower())
with open(sys.argv[2], "wb") as target:
    target.writelines(rows)
    target.flush()
    os.fsync(target.fileno())
