"""Files of other programs, read and written: what they are, what becomes of them, and what those programs say."""
