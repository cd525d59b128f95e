"""Rows of the failure catalogue that no test can be written for, and why: printed in `docs/reliability.md`."""

NOT_APPLICABLE: dict[int, str] = {
    46: "A saved plan carries no time: same inputs, same bytes. Its age says nothing; it is recomputed from the files and the "
    "live objects before the first write and each object is looked at again before its own, so an old plan is either still "
    "exactly right or refused (6). Rows 41, 42 and 44 test that.",
}

# Lettered rows without a test of their name, and why.
NOT_TESTED: dict[str, str] = {
    "E15": "The tests of row A4 look after it: nothing of an object is shown that an entry pins by mistake.",
}
