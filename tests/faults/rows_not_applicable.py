"""Rows of the failure catalogue that no test can be written for, and why: printed in `docs/reliability.md`."""

NOT_APPLICABLE: dict[int, str] = {
    46: "A saved plan carries no time: same inputs, same bytes. Its age says nothing; it is recomputed from the files and the "
    "live objects before the first write and each object is looked at again before its own, so an old plan is either still "
    "exactly right or refused (6). Rows 41, 42 and 44 test that.",
    48: "There is no lock across machines: the API has none, and a database only for a lock is not asked of users. Between "
    "runners the pipeline's own concurrency group is the lock (docs/state.md); what is left is caught by the recheck before "
    "each write (row 42) and by duplicates being held back, never guessed at (row 23).",
    49: "No lock needs a session that could die unnoticed: the lock is the kernel's, on an open file of this machine, and ends "
    "with the process that holds it. Row 47 tests that.",
}
