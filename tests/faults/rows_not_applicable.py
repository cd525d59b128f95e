"""Rows of the failure catalogue that no test can be written for, and why: printed in `docs/reliability.md`."""

NOT_APPLICABLE: dict[int, str] = {
    46: "A saved plan carries no time: same inputs, same bytes. Its age says nothing; it is recomputed from the files and the "
    "live objects before the first write and each object is looked at again before its own, so an old plan is either still "
    "exactly right or refused (6). Rows 41, 42 and 44 test that.",
}

# Lettered rows without a test named after them, and where what they ask for is looked after.
NOT_TESTED: dict[str, str] = {}
