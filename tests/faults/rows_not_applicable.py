"""Rows of the failure catalogue that no test can be written for, and why: printed in `docs/reliability.md`."""

NOT_APPLICABLE: dict[int, str] = {
    46: "A saved plan carries no time: same inputs, same bytes. Its age says nothing; it is recomputed from the files and the "
    "live objects before the first write and each object is looked at again before its own, so an old plan is either still "
    "exactly right or refused (6). Rows 41, 42 and 44 test that.",
}

_NOT_YET = "No test is named after this row yet: that it holds is only as sure as the tests beside it."
# Lettered rows without a test of their name. A test that comes later takes the reason's place.
NOT_TESTED: dict[str, str] = dict.fromkeys(
    ("A3", "B1", "B2", "B3", "C6", "D4", "E1", "E2", "E5", "E8", "E17", "E20", "E24", "F10", "F19", "F23", "F25"),
    _NOT_YET,
) | {"E15": "The tests of row A4 look after it: nothing of an object is shown that an entry pins by mistake."}
