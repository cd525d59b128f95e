"""Every fault at every request of a plan of 12 steps; then the faults stop, and the command is run again.

The server's log is the judge: nothing twice (G1), converged after at most two more applies (G2), no delete that was not
planned (G3), what is not ours untouched (G4), the token nowhere but in its header (G9), an honest exit code (G15).

One test function, one table. The cells named in `KEY` run always, the others in the long run.
"""

import json
from collections.abc import Iterator, Set
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from world import Row, World

from . import server as fs
from .bench import LATE, TOKEN, Bench, Ran, bystanders
from .server import Fault, Hit, When

# How many requests of each method the plan takes, with room for a few reads more; a test keeps it true.
REQUESTS = {"GET": 20, "POST": 8, "PUT": 2, "DELETE": 2}
MINOR = {"GET": (0, 1, 2, 3, 5, 9, 14), "POST": (0, 2, 7), "PUT": (1,), "DELETE": (0,)}

# Exit codes. What a code promises is checked on top: 0 is converged, 4, 6 and 7 wrote nothing.
DONE = frozenset({0})
UNKNOWN = frozenset({9})
OPEN = frozenset({0, 9})
KILLED = frozenset({-9})
DENIED = frozenset({10})
REFUSED = frozenset({5})
MOVED = frozenset({5, 6})
SURPRISED = frozenset({5, 9})
DOUBTFUL = frozenset({0, 4, 5, 6, 9})  # a read: asked again, given up before the first write, or after it


@dataclass(frozen=True)
class Row_:
    """One fault: what it does, and for each method it makes sense for, the exit codes that are honest."""

    fault: Fault
    codes: dict[str, Set[int]]
    minor: bool = False  # a variant of another fault: at some requests only
    lost: bool = False  # a create is answered and does not exist: only a person can end that
    warm: bool = False  # earlier runs have seen the lists
    since: bool = False  # from that request on, not just there
    slow: bool = False  # depends on the clock: needs the long settle window
    then: Fault | None = None  # what happens to the repetition of that request
    no_get: bool = False  # every GET of one object answers 404
    strict: bool = False  # the API refuses a second object of one identity


def reads(codes: Set[int]) -> dict[str, Set[int]]:
    return {"GET": codes}


def changes(post: Set[int], put: Set[int], delete: Set[int]) -> dict[str, Set[int]]:
    return {"POST": post, "PUT": put, "DELETE": delete}


def writes(codes: Set[int]) -> dict[str, Set[int]]:
    """Of what may be sent again."""
    return {"PUT": codes, "DELETE": codes}


def told(body: str, *, labelled: str = "application/json") -> Fault:
    """A list, or an object, that says this."""
    return fs.answer(200, {"Content-Type": labelled}, body.encode())


def elsewhere(status: int, host: str) -> Fault:
    """A redirect to a listener that must never hear of us."""

    def fault(hit: Hit) -> None:
        port = TRAPS[hit.server.port].port
        hit.send(status, {"Location": f"http://{host}:{port}{hit.path}"})

    return fault


TRAPS: dict[int, fs.FaultServer] = {}

NOT_DONE = changes(UNKNOWN, DONE, DONE)  # a create in doubt is not sent again; PUT and DELETE may be
IS_DONE = changes(DONE, DONE, DONE)
TRANSIENT = reads(DONE) | NOT_DONE
THROTTLED = reads(DONE) | IS_DONE
ROWS_WITHOUT_ID = (
    '[{"displayName": "A", "identity": "A", "url": "wss://a.example.com/", "interval": 30, "profileId": 1}]'
)
TWICE = '[{"id": 1, "id": 2, "identity": "A", "displayName": "A", "url": "wss://a/", "interval": 1, "profileId": 1}]'


@fs.relisted
def same_id_twice(rows: list[Row], hit: Hit) -> list[Row]:
    return [*rows, rows[0] | {"displayName": "another", "identity": "another"}] if rows else rows


@fs.relisted
def key_twice(rows: list[Row], hit: Hit) -> list[Row]:
    """The object that is to be updated is there twice."""
    return [*rows, *(row | {"id": 9_000 + row["id"]} for row in rows if "MOVED-1" in row.values())]


@fs.relisted
def nothing(rows: list[Row], hit: Hit) -> list[Row]:
    return []


def another_hand(hit: Hit) -> None:
    """Somebody changes the object just before it is looked at for the last time."""
    _, _, tenant, *item = hit.path.split("/")
    if len(item) == 2:
        kind, row_id = item
        world: World = hit.server.world
        change = (
            {"url": "wss://by-hand.example.com/"} if kind == "cpms" else {"profileId": 77, "displayName": "By hand"}
        )
        world.edit(tenant, kind, int(row_id), **change)


def another_hand_unseen(hit: Hit) -> None:
    """The same, where that look finds nothing."""
    if fs.item(hit):
        another_hand(hit)
        hit.send(404, fs.JSON, b'{"error": "no"}')


BEGINNING: dict[int, dict[str, list[Row]]] = {}


@fs.relisted
def stale(rows: list[Row], hit: Hit) -> list[Row]:
    """A list as it was before the first write."""
    return BEGINNING[hit.server.port][hit.path.rpartition("/")[2]]


@fs.relisted
def short(rows: list[Row], hit: Hit) -> list[Row]:
    """A list of chargers that lacks one that is there."""
    return [row for row in rows if row.get("identity") != "MOVED-1"]


FAULTS: dict[str, Row_] = {
    # no clear answer
    "reset-before": Row_(fs.reset_before, TRANSIENT),
    "reset-after": Row_(fs.reset_after, IS_DONE),
    "hangup-before": Row_(fs.hangup_before, TRANSIENT),
    "timeout-before": Row_(fs.timeout_before, TRANSIENT),
    "timeout-after": Row_(fs.timeout_after, IS_DONE),
    "late-commit": Row_(fs.late_commit(LATE), changes(OPEN, DONE, DONE), slow=True),
    "cut": Row_(fs.cut, reads(DONE) | IS_DONE),
    "cut-close": Row_(fs.cut_close, reads(DOUBTFUL) | IS_DONE),
    "cut-chunked": Row_(fs.cut_chunked, reads(DONE) | IS_DONE, minor=True),
    "cut-head": Row_(fs.cut_head, reads(DONE) | IS_DONE, minor=True),
    "no-http": Row_(fs.no_http, reads(DONE) | IS_DONE, minor=True),
    "drip": Row_(fs.drip(), reads(DONE) | IS_DONE),
    "drip-headers": Row_(fs.drip(headers=True), reads(DONE) | IS_DONE),
    # the client dies
    "kill-before": Row_(fs.kill_before, reads(KILLED) | changes(KILLED, KILLED, KILLED)),
    "kill-after": Row_(fs.kill_after, changes(KILLED, KILLED, KILLED)),
    "kill-answered": Row_(fs.kill_answered, reads(KILLED) | changes(KILLED, KILLED, KILLED)),
    "kill-late": Row_(fs.kill_late(LATE), changes(KILLED, KILLED, KILLED), slow=True),
    # the server says no
    "500-before": Row_(fs.answer(500), TRANSIENT),
    "500-after": Row_(fs.answer(500, commit=True), IS_DONE),
    "502-before": Row_(fs.page(502), TRANSIENT, minor=True),
    "502-after": Row_(fs.page(502, commit=True), IS_DONE, minor=True),
    "503-before": Row_(fs.throttled("1", status=503), TRANSIENT),
    "503-after": Row_(fs.answer(503, commit=True), IS_DONE),
    "504-after": Row_(fs.page(504, commit=True), IS_DONE, minor=True),
    "429": Row_(fs.throttled(None), THROTTLED),
    "429-seconds": Row_(fs.throttled("1"), THROTTLED),
    "429-zero": Row_(fs.throttled("0"), THROTTLED, minor=True),
    "429-date": Row_(
        fs.throttled("Mon, 02 Nov 2026 10:00:01 GMT", date="Mon, 02 Nov 2026 10:00:00 GMT"), THROTTLED, minor=True
    ),
    "429-past": Row_(fs.throttled("Mon, 02 Nov 2015 10:00:00 GMT"), THROTTLED, minor=True),
    "429-negative": Row_(fs.throttled("-5"), THROTTLED, minor=True),
    "429-fraction": Row_(fs.throttled("0.5"), THROTTLED, minor=True),
    "429-garbage": Row_(fs.throttled("soon"), THROTTLED, minor=True),
    "400": Row_(fs.answer(400), reads(DOUBTFUL) | changes(REFUSED, REFUSED, REFUSED), minor=True),
    "401": Row_(fs.answer(401), reads(DENIED) | changes(DENIED, DENIED, DENIED)),
    "403": Row_(fs.answer(403), reads(DENIED) | changes(DENIED, DENIED, DENIED)),
    "404": Row_(fs.answer(404), reads(DOUBTFUL) | changes(REFUSED, MOVED, SURPRISED)),
    "409": Row_(fs.answer(409), changes(REFUSED, REFUSED, REFUSED), minor=True),
    "422": Row_(fs.answer(422), changes(REFUSED, REFUSED, REFUSED)),
    "401-since": Row_(fs.answer(401), reads(DENIED) | changes(DENIED, DENIED, DENIED), since=True, minor=True),
    "403-since": Row_(fs.answer(403), changes(DENIED, DENIED, DENIED), since=True, minor=True),
    "down-since": Row_(
        fs.reset_before, reads(SURPRISED | {4}) | changes(UNKNOWN, UNKNOWN, UNKNOWN), since=True, minor=True
    ),
    "500-since": Row_(
        fs.answer(500), reads(SURPRISED | {4}) | changes(UNKNOWN, UNKNOWN, UNKNOWN), since=True, minor=True
    ),
    # the server says something else
    "html": Row_(fs.page(), TRANSIENT | reads(DOUBTFUL)),
    "html-after": Row_(fs.page(commit=True), IS_DONE),
    "html-as-json": Row_(fs.page(labelled="application/json"), reads(DOUBTFUL), minor=True),
    "201-for-nothing": Row_(fs.answer(201, {}, b""), {"POST": UNKNOWN}, lost=True),
    "empty-body": Row_(told(""), reads(DOUBTFUL), minor=True),
    "object": Row_(told('{"items": []}'), reads(DOUBTFUL)),
    "null": Row_(told("null"), reads(DOUBTFUL), minor=True),
    "string": Row_(told('"[]"'), reads(DOUBTFUL), minor=True),
    "nulls": Row_(told("[null]"), reads(DOUBTFUL), minor=True),
    "truncated": Row_(told('[{"id": 1, "identity": "CP'), reads(DOUBTFUL)),
    "no-id": Row_(told(ROWS_WITHOUT_ID), reads(DOUBTFUL)),
    "name-twice": Row_(told(TWICE), reads(DOUBTFUL), minor=True),
    "deep": Row_(told("[" * 100_000 + "]" * 100_000), reads(DOUBTFUL), minor=True),
    "nan": Row_(told('[{"id": NaN}]'), reads(DOUBTFUL), minor=True),
    "huge-int": Row_(told('[{"id": ' + "9" * 5000 + "}]"), reads(DOUBTFUL), minor=True),
    "not-utf8": Row_(fs.answer(200, fs.JSON, b'[{"id": 1, "identity": "\xff\xfe"}]'), reads(DOUBTFUL), minor=True),
    "206": Row_(fs.answer(206, fs.JSON, b"[]"), reads(DOUBTFUL), minor=True),
    "204": Row_(fs.answer(204, {}, b""), reads(DOUBTFUL), minor=True),
    "301": Row_(elsewhere(301, "127.0.0.1"), reads(DOUBTFUL) | changes(SURPRISED, SURPRISED, SURPRISED), minor=True),
    "302": Row_(elsewhere(302, "localhost"), reads(DOUBTFUL) | changes(SURPRISED, SURPRISED, SURPRISED), minor=True),
    "307": Row_(elsewhere(307, "127.0.0.1"), reads(DOUBTFUL) | changes(SURPRISED, SURPRISED, SURPRISED)),
    "308": Row_(elsewhere(308, "localhost"), reads(DOUBTFUL) | changes(SURPRISED, SURPRISED, SURPRISED), minor=True),
    "gzip-bomb": Row_(
        fs.gzip_bomb(), reads(DOUBTFUL) | changes(OPEN | REFUSED, OPEN | REFUSED, OPEN | REFUSED), minor=True
    ),
    "oversize": Row_(
        fs.oversize(declared=True),
        reads(DOUBTFUL) | changes(OPEN | REFUSED, OPEN | REFUSED, OPEN | REFUSED),
        minor=True,
    ),
    "endless": Row_(
        fs.oversize(declared=False),
        reads(DOUBTFUL) | changes(OPEN | REFUSED, OPEN | REFUSED, OPEN | REFUSED),
        minor=True,
    ),
    # lists that do not tell; writes that do otherwise
    "empty-list": Row_(nothing, reads(DOUBTFUL | {7}), warm=True),
    "empty-since": Row_(nothing, reads(DOUBTFUL | {7}), warm=True, since=True, minor=True),
    "capped": Row_(fs.capped(4), reads(DONE | SURPRISED), since=True, minor=True),
    "blind": Row_(fs.hidden(), reads(DONE | SURPRISED), since=True, minor=True),
    "lag": Row_(fs.hidden(0.7), reads(DONE), since=True, minor=True, slow=True),
    "long-lag": Row_(fs.hidden(3.0), reads(DONE | SURPRISED), since=True, minor=True),
    "same-id-twice": Row_(same_id_twice, reads(DOUBTFUL), since=True, minor=True),
    "key-twice": Row_(key_twice, reads(DOUBTFUL), since=True, minor=True),
    "another-hand": Row_(another_hand, reads(DOUBTFUL)),
    "stale": Row_(stale, reads(DONE)),
    "stale-stale": Row_(stale, reads(DONE), then=stale, minor=True, slow=True),
    "short": Row_(short, reads(DONE | SURPRISED), strict=True),
    # one fault, and then another one of the same request
    "lost-401": Row_(fs.reset_before, writes(UNKNOWN), then=fs.answer(401)),
    "lost-403": Row_(fs.answer(503), writes(UNKNOWN), then=fs.answer(403), minor=True),
    "lost-422": Row_(fs.reset_before, writes(UNKNOWN), then=fs.answer(422)),
    "lost-404": Row_(fs.timeout_before, writes(UNKNOWN), then=fs.answer(404)),
    "lost-410": Row_(fs.reset_before, writes(UNKNOWN), then=fs.answer(410), minor=True),
    "late-422": Row_(fs.late_commit(LATE), writes(OPEN), then=fs.answer(422), slow=True),
    "429-lost": Row_(fs.throttled("1"), IS_DONE, then=fs.reset_after),
    "429-lost-before": Row_(fs.throttled("1"), NOT_DONE, then=fs.reset_before),
    "429-late": Row_(fs.throttled("1"), changes(OPEN, DONE, DONE), then=fs.late_commit(LATE), slow=True),
    "429-kill-before": Row_(fs.throttled("1"), changes(KILLED, KILLED, KILLED), then=fs.kill_before),
    "429-kill-after": Row_(fs.throttled("1"), changes(KILLED, KILLED, KILLED), then=fs.kill_after),
    "429-kill-late": Row_(fs.throttled("1"), changes(KILLED, KILLED, KILLED), then=fs.kill_late(LATE), slow=True),
    "lost-kill": Row_(fs.reset_before, writes(KILLED), then=fs.kill_after),
    # the same where no GET of one object tells anything
    "no-get-lost": Row_(fs.reset_after, IS_DONE, no_get=True),
    "no-get-lost-before": Row_(fs.reset_before, NOT_DONE, no_get=True),
    "no-get-lost-422": Row_(fs.reset_before, writes(UNKNOWN), then=fs.answer(422), no_get=True),
    "no-get-late": Row_(fs.late_commit(LATE), changes(OPEN, DONE, DONE), no_get=True, slow=True),
    "no-get-kill": Row_(fs.kill_after, changes(KILLED, KILLED, KILLED), no_get=True),
    "no-get-stale": Row_(stale, reads(DONE), no_get=True, minor=True),
    "no-get-hand": Row_(another_hand_unseen, reads(DOUBTFUL), no_get=True, minor=True),
    "put-replaces": Row_(fs.replaces, {"PUT": REFUSED}, since=True),
    "put-rewrites": Row_(fs.rewrites, {"PUT": REFUSED}, since=True),
    "post-rewrites": Row_(fs.rewrites, {"POST": REFUSED}, since=True, minor=True),
}


@dataclass(frozen=True)
class Cell:
    fault: str
    method: str
    nth: int

    def __str__(self) -> str:
        return f"{self.fault}-{self.method}-{self.nth}"

    @property
    def row(self) -> Row_:
        return FAULTS[self.fault]

    @property
    def codes(self) -> Set[int]:
        return self.row.codes[self.method]


# Of every way to fail at least one cell: first, canary and follower, update, delete.
KEY = set(
    """
    reset-before-POST-0 reset-after-POST-4 hangup-before-POST-3 timeout-after-POST-0 timeout-after-DELETE-0
    late-commit-POST-0 cut-GET-1 cut-close-GET-2 kill-after-POST-0 kill-after-POST-5 kill-after-DELETE-0
    kill-late-POST-2 500-after-POST-3 503-before-GET-2 401-POST-4 403-DELETE-1 404-GET-1 html-GET-2 no-id-GET-1
    307-GET-1 capped-GET-0 put-rewrites-PUT-0 201-for-nothing-POST-5 another-hand-GET-3
    stale-GET-9 short-GET-2 lost-401-DELETE-0 lost-422-PUT-1 429-lost-POST-0 429-kill-after-POST-3 no-get-lost-DELETE-0
    """.split()
)


def cells() -> Iterator[object]:
    for name, row in FAULTS.items():
        for method in row.codes:
            for nth in MINOR[method] if row.minor else range(REQUESTS[method]):
                cell = Cell(name, method, nth)
                yield pytest.param(cell, id=str(cell), marks=() if str(cell) in KEY else pytest.mark.long)


@pytest.mark.parametrize("cell", [*cells()])
def test_a_fault(cell: Cell, planned: Bench) -> None:
    """Whatever goes wrong at whatever request: nothing twice, nothing by accident, and the next run finishes it."""
    if not cell.row.slow:
        planned.settle, planned.timeout = 0.8, 0.6
    before = bystanders(planned.world)
    if cell.row.warm:
        warm_up(planned)
    with ExitStack() as stack:
        trap = stack.enter_context(fs.serving(World(("acme",), TOKEN)))
        TRAPS[planned.server.port] = trap
        BEGINNING[planned.server.port] = {kind: planned.world.rows("acme", kind) for kind in fs.KEYS}
        planned.world.strict = cell.row.strict  # type: ignore[attr-defined]  # the fault world has it
        rule = planned.server.on(place(cell, planned), cell.row.fault, times=None if cell.row.since else 1)
        if cell.row.then is not None:
            rule.name = "first"
            planned.server.on(fs.again(rule), cell.row.then, times=1)
        if cell.row.no_get:
            planned.server.on(fs.item, fs.answer(404))
        first = planned.apply(code=None)
        judge_first(first, cell, fired=rule.fired > 0)
        assert trap.log == [], "a redirect was followed"
    if first.code == 0 and not cell.row.strict:
        planned.server.heal()
        planned.empty()
    elif cell.row.lost and cell.method == "POST":
        forget(planned, first)
    else:
        planned.converge()
    assert bystanders(planned.world) == before, "G4: what is not ours was touched"


def place(cell: Cell, bench: Bench) -> When:
    """The n-th request of this method from here on; with `since` also all that follow, of any method where it fits."""
    begun = sum(exchange.method == cell.method for exchange in bench.server.log)
    number = cell.nth + begun
    if not cell.row.since:
        return fs.nth(cell.method, number)
    hit_already: list[bool] = []

    def when(hit: Hit) -> bool:
        if hit.method == cell.method and hit.nth >= number:
            hit_already.append(True)
        return bool(hit_already) and (hit.method == cell.method or cell.fault.startswith(("401", "403", "down", "500")))

    return when


def judge_first(ran: Ran, cell: Cell, *, fired: bool) -> None:
    """The exit code of the run with the fault says what happened."""
    __tracebackhide__ = True
    expected = cell.codes if fired else {0}
    assert ran.code in expected, f"exit code {ran.code}, honest would be {sorted(expected)}\n{ran.report}"
    assert ran.peak < 700, f"{ran.peak} MiB\n{ran.report}"
    if ran.code in (5, 6, 9):
        assert "E-" in ran.text, f"no stable word\n{ran.report}"
    if ran.code == 5 and cell.row.fault not in (fs.replaces, fs.rewrites):
        unclear = [
            e for e in ran.writes if e.method == "POST" and e.status in (0, *range(500, 600)) and not e.committed
        ]
        assert not unclear, f"5 promises that all outcomes are known\n{ran.report}"


def warm_up(bench: Bench) -> None:
    """A run that sees the lists as they are, and has nothing to do."""
    entries = "cpms: [{displayName: Bystander, interval: 10}]\nchargers: [{identity: BYSTANDER, profileId: 9}]"
    bench.write("warm.yaml", f"tenant: acme\n{entries}\n")
    bench.apply("warm.yaml")


def forget(bench: Bench, first: Ran) -> None:
    """A create that was answered and never shows up blocks its (tenant, kind) until a person says that it is not there."""
    [lost] = [exchange for exchange in first.writes if exchange.fault]
    kind = lost.path.split("/")[3]
    address = f"acme/{kind}/{json.loads(lost.body)[fs.KEYS[kind]]}"
    assert "E-LIST-BLIND" in first.text, first.report
    bench.server.heal()
    second = bench.apply(code=9)
    assert f"POST {lost.path}" not in second.lines, f"created on, unsettled\n{second.report}"
    assert address in bench.open_unknowns()
    bench.run("unknowns", "--forget", address, code=0)
    assert address not in bench.open_unknowns()
    bench.converge()


def test_the_table_reaches_every_request(planned: Bench) -> None:
    """As many requests as the table thinks, and not many less."""
    ran = planned.apply()
    for method, expected in REQUESTS.items():
        sent = sum(exchange.method == method for exchange in ran.log)
        room = 8 if method == "GET" else 0
        assert expected - room <= sent <= expected, f"{sent} {method}\n{ran.report}"
    planned.empty()


def test_the_key_cells_exist() -> None:
    """A cell that was misspelt would run in the long run only."""
    assert KEY <= {cell.id for cell in cells()}  # type: ignore[attr-defined]  # pytest.param gave it an id
