"""The documents: every block of every page is run or checked, and every link leads somewhere.

`pages` reads them; `commands` and `sessions` run what they show, `loading` reads what a program would read.
"""
