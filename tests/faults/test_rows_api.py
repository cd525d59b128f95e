"""The failure catalogue, rows 1 to 40: talking to the API. One test for each row, named after its number."""

import json
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from world import Row, World

from . import server as fs
from .bench import LATE, NO_CHANGES, TOKEN, Bench, fleet, in_background, live_chargers, seldom, wait_for
from .server import Hit


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """What does not depend on the clock need not wait for it."""
    bench.settle, bench.timeout = 0.8, 0.6
    return bench


def posts(bench: Bench, identity: str = "") -> list[fs.Exchange]:
    """The creates that were sent, of one object or of all."""
    sent = [exchange for exchange in bench.server.log if exchange.method == "POST"]
    return [exchange for exchange in sent if not identity or identity in exchange.json.values()]


def names(count: int) -> list[str]:
    return [f"CP-{number:03}" for number in range(1, count + 1)]


def listed(body: str) -> fs.Fault:
    return fs.answer(200, fs.JSON, body.encode())


# ------------------------------------------------------------------------------------------------- creates without answer


@pytest.mark.parametrize("number", [0, 2])
def test_row_01_a_create_that_timed_out(bench: Bench, number: int) -> None:
    """A create without an answer is settled by reading: done if it shows up, never sent again."""
    bench.write("exolink.yaml", fleet(3))
    bench.server.on(fs.nth("POST", number), fs.timeout_after)
    ran = bench.apply(code=0)
    assert live_chargers(bench.world) == names(3) and len(posts(bench)) == 3
    assert "3 added" in ran.out
    bench.empty()


def test_row_01_a_create_that_never_arrived(bench: Bench) -> None:
    """Not visible after the settle window: unknown, 9, nothing sent again in this run; the next run makes it, once."""
    bench.write("exolink.yaml", fleet(3))
    bench.server.on(fs.nth("POST", 2), fs.timeout_before)
    ran = bench.apply(code=9)
    [lost] = [identity for identity in names(3) if identity not in live_chargers(bench.world)]
    assert "E-AMBIGUOUS" in ran.text and f"acme/charger/{lost}" in ran.text
    assert len(posts(bench, lost)) == 1
    unknowns = bench.open_unknowns()
    assert f"acme/charger/{lost}" in unknowns and bench.server.url in unknowns
    bench.converge()
    assert len(posts(bench, lost)) == 2
    assert f"acme/charger/{lost}" not in bench.open_unknowns()


def test_row_01_nobody_declares_it_any_more(bench: Bench) -> None:
    """A create without an answer is settled by reading, also when the YAML has no word of its kind any more."""
    bench.write("exolink.yaml", fleet(3))
    bench.server.on(fs.nth("POST", 2), fs.timeout_before)
    bench.apply(code=9)
    bench.server.heal()
    bench.write("exolink.yaml", "tenant: acme\n")
    ran = bench.apply(code=0)
    assert "Settled 1 write of an earlier run" in ran.text
    assert "acme/charger/" not in bench.open_unknowns()


def test_row_02_a_create_that_commits_late(bench: Bench) -> None:
    """A create that takes effect after the client gave up, within the settle window, is found and not repeated."""
    bench.settle, bench.timeout = 1.5, 1.0
    bench.write("exolink.yaml", fleet(3))
    bench.server.on(fs.nth("POST", 1), fs.late_commit(LATE))
    bench.apply(code=0)
    assert len(posts(bench)) == 3 and live_chargers(bench.world) == names(3)


def test_row_03_killed_and_committed_late(bench: Bench) -> None:
    """Killed in a create that commits late; the next run starts at once, waits, and says what it settled."""
    bench.settle, bench.timeout = 1.5, 1.0
    bench.write("exolink.yaml", fleet(3))
    bench.server.on(fs.nth("POST", 1), fs.kill_late(LATE))
    bench.apply(code=-9)
    [again] = bench.converge(applies=1)
    assert [len(posts(bench, identity)) for identity in names(3)] == [1, 1, 1]
    settled = [line for line in again.err.splitlines() if "settle" in line.lower() or "recover" in line.lower()]
    assert len(settled) == 1, f"one line says what was settled\n{again.report}"


def test_row_04_no_connection(bench: Bench) -> None:
    """A refused connection is proven not to have been sent: tried again a few times, then 4; soon."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    bench.write("exolink.yaml", fleet(1))
    ran = bench.plan("--api-url", f"http://127.0.0.1:{port}", code=4)
    assert "E-UNREACHABLE" in ran.text
    running = bench.start("apply", "--auto-approve", "--api-url", f"http://127.0.0.1:{port}", "--timeout", "5")
    time.sleep(0.6)
    with fs.FaultServer(bench.world, port=port):
        bench.check(running.finish(), 0)
    assert live_chargers(bench.world) == names(1)


def test_row_05_a_connection_that_was_closed_meanwhile(bench: Bench) -> None:
    """A server that closes each connection after its answer, unannounced, costs nothing."""

    def closing(hit: Hit) -> None:
        hit.send(*hit.commit())
        hit.close()

    bench.write("exolink.yaml", fleet(6))
    bench.server.on(fs.always, closing)
    assert bench.apply(code=(0, 9)).code == 0, "found dead before it was used, or settled by reading"
    assert len(posts(bench)) == 6
    bench.empty()


def test_row_06_a_reset_in_the_body(bench: Bench) -> None:
    """A list that is cut is read again, and 4 when it is cut for ever; nothing is written."""
    bench.write("exolink.yaml", fleet(2))
    bench.server.on(fs.lists, fs.cut, times=1)
    bench.plan(code=0)
    bench.server.on(fs.lists, fs.cut)
    bench.apply(code=4)
    assert bench.server.writes == []


def test_row_07_a_body_framed_by_the_end_of_the_connection(bench: Bench) -> None:
    """Half a list that ends with its connection is not a list."""
    for identity in names(5):
        bench.world.add("acme", "charger", identity=identity)
    bench.write("exolink.yaml", fleet(2, first=8))
    bench.server.on(fs.lists, fs.cut_close)
    bench.apply(code=4)
    assert bench.server.writes == []


@pytest.mark.parametrize("form", ["1", "Mon, 02 Nov 2026 10:00:01 GMT"])
def test_row_08_throttled(bench: Bench, form: str) -> None:
    """429 pauses the whole origin for as long as it asks, and what was refused is done afterwards, once."""
    bench.write("exolink.yaml", fleet(9))
    bench.server.on(fs.nth("POST", 4), fs.throttled(form, date="Mon, 02 Nov 2026 10:00:00 GMT"))
    bench.apply(code=0)
    [refused] = [exchange for exchange in bench.server.log if exchange.status == 429]
    early = [e for e in bench.server.log if refused.at + 0.2 < e.at < refused.at + 0.9]
    assert early == [], "somebody did not wait"
    assert any(refused.at + 0.9 < e.at < refused.at + 4 for e in bench.server.log)
    assert len(posts(bench)) == 10


@pytest.mark.parametrize(
    "form", ["-5", "soon", *seldom("0", "", "Mon, 02 Nov 2015 10:00:00 GMT", "١", "9" * 400 + "x")]
)
def test_row_08_nonsense_in_retry_after(bench: Bench, form: str) -> None:
    """Negative, past and garbage ask for nothing: the usual pause, no crash."""
    bench.write("exolink.yaml", fleet(1))
    bench.server.on(fs.lists, fs.answer(429, {"Retry-After": form.encode().decode("latin-1")}), times=1)
    bench.plan(code=0)
    assert sum(exchange.status == 429 for exchange in bench.server.log) == 1


@pytest.mark.parametrize("form", ["1000000000", *seldom("9" * 400, "Tue, 01 Jan 2999 00:00:00 GMT")])
def test_row_08_asked_to_wait_for_years(bench: Bench, form: str) -> None:
    """Nobody waits for years, nobody asks again at once, and a person can end the wait."""
    bench.write("exolink.yaml", fleet(1))
    bench.server.on(fs.lists, fs.throttled(form))
    running = bench.start("apply", "--auto-approve")
    wait_for(lambda: any(exchange.status == 429 for exchange in bench.server.log))
    time.sleep(0.4)
    running.signal(signal.SIGINT)
    ran = running.finish()
    bench.check(ran, (130, 4))
    assert sum(exchange.status == 429 for exchange in bench.server.log) <= 5 and ran.writes == []


@pytest.mark.parametrize("retry_after", ["1", None])
def test_row_08_a_rate_limit_below_what_we_could_send(bench: Bench, retry_after: str | None) -> None:
    """An API that lets only so many requests through a second makes an apply slow, not failed."""
    bench.write("exolink.yaml", fleet(200))
    tokens, at, lock = 10.0, time.monotonic(), threading.Lock()

    def empty(hit: fs.Hit) -> bool:
        nonlocal tokens, at
        with lock:
            now = time.monotonic()
            tokens, at = min(10.0, tokens + 50 * (now - at)), now
            passes = tokens >= 1
            tokens -= passes
            return not passes

    bench.server.on(empty, fs.throttled(retry_after))
    ran = bench.apply("--parallelism", "16", code=0)
    assert live_chargers(bench.world) == names(200), ran.report
    refused = sum(exchange.status == 429 for exchange in bench.server.log)
    assert 0 < refused < 60, "it should be met, and then kept"


def test_row_09_bursts_of_5xx(bench: Bench) -> None:
    """Reads are tried again within a budget; a create that was answered 5xx is settled by reading."""
    bench.write("exolink.yaml", fleet(3))
    bench.server.on(fs.lists, fs.answer(503), times=2)
    bench.server.on(fs.nth("POST", 1), fs.page(502, commit=True))
    bench.apply(code=0)
    assert len(posts(bench)) == 3
    begun = len(bench.server.log)
    bench.server.on(fs.always, fs.answer(503))
    bench.plan(code=4)
    assert len(bench.server.log) - begun <= 20


# ---------------------------------------------------------------------------------------------------- answers that lie


def test_row_10_a_page_with_200(bench: Bench) -> None:
    """A login page is not a list: 4. After a create it says nothing: the list tells."""
    bench.write("exolink.yaml", fleet(2))
    bench.server.on(fs.lists, fs.page())
    bench.apply(code=4)
    assert bench.server.writes == []
    bench.server.heal()
    bench.server.on(fs.nth("POST", 0), fs.page(commit=True))
    bench.apply(code=0)
    assert len(posts(bench)) == 2


def test_row_11_ids_are_learnt_by_reading(bench: Bench) -> None:
    """What a create answers about an id is not believed."""

    def boasts(hit: Hit) -> None:
        hit.commit()
        hit.send(201, {**fs.JSON, "Location": "/tenant/acme/charger/999"}, b'{"id": 999}')

    bench.write("exolink.yaml", fleet(2))
    bench.server.on(fs.to("POST"), boasts)
    bench.apply(code=0)
    bench.write("exolink.yaml", fleet(2).replace("Bay 1", "Bay one"))
    ran = bench.apply(code=0)
    [changed] = [row for row in bench.world.live("acme", "charger") if row["displayName"] == "Bay one"]
    assert [exchange.path for exchange in ran.writes] == [f"/tenant/acme/charger/{changed['id']}"]


def test_row_12_the_token_expires_halfway(bench: Bench) -> None:
    """401 from the middle on: nothing more is sent, 10, and it says what was done and what now."""
    bench.write("exolink.yaml", fleet(40))
    bench.server.on(lambda hit: len(posts(bench)) > 12, fs.answer(401))
    ran = bench.apply(code=10)
    created = len(live_chargers(bench.world))
    assert 10 <= created <= 13 and f"{created} added" in ran.text
    assert sum(exchange.is_write and exchange.status == 401 for exchange in ran.log) <= 8, "what was in flight"
    bench.server.heal()
    bench.converge()


def test_row_12_a_token_that_is_renewed(bench: Bench) -> None:
    """On 401 the token file is read once more: if it changed, that request is repeated and the run goes on."""
    path = bench.write("token", TOKEN + "\n")
    renewed = TOKEN + "-renewed"

    def expires(hit: Hit) -> None:
        bench.world.token = renewed
        path.write_text(renewed + "\n")

    bench.write("exolink.yaml", fleet(12))
    bench.server.on(fs.nth("POST", 4), expires)
    bench.apply("--token-file", str(path), code=0)
    assert live_chargers(bench.world) == names(12)
    bench.world.token = "expired-for-good"
    assert bench.apply("--token-file", str(path), code=10).writes == []


def test_row_13_one_tenant_is_forbidden(start_bench: Callable[..., Bench]) -> None:
    """A tenant that may not be read is not an empty one: 10, and nothing is written anywhere."""
    bench = start_bench(("acme", "beta"))
    bench.write("fleet.yaml", fleet(2) + "---\n" + fleet(2, tenant="beta"))
    bench.server.on(lambda hit: hit.path.startswith("/tenant/beta"), fs.answer(403))
    ran = bench.apply("fleet.yaml", code=10)
    assert bench.server.writes == [] and "beta" in ran.text


def test_row_14_404_on_a_list(bench: Bench) -> None:
    """A list that is not there is an error, never an empty list."""
    bench.write("exolink.yaml", fleet(2))
    bench.server.on(fs.lists, fs.answer(404))
    bench.apply(code=4)
    assert bench.server.writes == []


def test_row_15_404_on_delete(bench: Bench) -> None:
    """What is gone when we come to delete it has reached its end."""
    bench.may_delete = {bench.world.add("acme", "charger", identity="CP-9")}
    bench.write("exolink.yaml", "tenant: acme\nremoved: [{charger: CP-9}]\n")
    bench.server.on(fs.to("DELETE"), lambda hit: bench.world.soft_delete("acme", "charger", "CP-9"))
    bench.apply(code=0)
    assert [exchange.status for exchange in bench.server.writes] == [404]


def test_row_16_404_on_update(bench: Bench) -> None:
    """An object that is gone when we come to update it is skipped, and never made again by the same plan."""
    for identity in ("CP-001", "ANOTHER"):
        bench.world.add("acme", "charger", identity=identity, displayName="x")
    bench.write("exolink.yaml", fleet(1))
    bench.server.on(fs.to("PUT"), lambda hit: bench.world.soft_delete("acme", "charger", "CP-001"))
    ran = bench.apply(code=5)
    assert [exchange.method for exchange in ran.writes] == ["PUT"]
    bench.converge()


def test_row_17_409_on_create(start_bench: Callable[..., Bench]) -> None:
    """Somebody made it before us: shown, not retried, not adopted by this plan; what is independent goes on."""
    bench = start_bench(world=World)
    bench.write("exolink.yaml", fleet(4))
    bench.server.on(
        fs.creates("CP-003"), lambda hit: bench.world.add("acme", "charger", identity="CP-003", displayName="Theirs")
    )
    ran = bench.apply(code=5)
    assert "acme/charger/CP-003" in ran.text and len(posts(bench, "CP-003")) == 1
    assert bench.world.row("acme", "charger", "CP-003")["displayName"] == "Theirs"
    assert live_chargers(bench.world) == names(4)
    [again] = bench.converge(applies=1)
    assert [exchange.method for exchange in again.writes] == ["PUT"], "the next plan adopts it, shown as an update"


def test_row_18_422(bench: Bench) -> None:
    """Permanent: not retried; address, place in the file and the server's words, cut and made inert; the rest goes on."""
    reason = "profileId is closed \x1b[31m\n::error ::pwned " + "x" * 5000
    bench.write("exolink.yaml", fleet(4))
    bench.server.on(fs.creates("CP-002"), fs.answer(422, fs.JSON, json.dumps({"error": reason}).encode()))
    ran = bench.apply(code=5)
    assert "profileId is closed" in ran.text and "exolink.yaml:4:" in ran.text and "x" * 600 not in ran.text
    assert "\x1b" not in ran.text and not any(line.strip().startswith("::") for line in ran.text.splitlines())
    assert len(posts(bench, "CP-002")) == 1 and len(live_chargers(bench.world)) == 3


# --------------------------------------------------------------------------------------------- lists that do not tell all


def test_row_19_page_cap(bench: Bench) -> None:
    """A cap that nobody documented costs one object, not ten thousand; and a re-run does not add one each time."""
    for number in range(20):
        bench.world.add("acme", "charger", identity=f"OLD-{number}")
    bench.write("exolink.yaml", fleet(30))
    bench.server.on(fs.lists, fs.capped(20))
    first = bench.apply(code=9)
    assert "E-LIST-BLIND" in first.text and len(posts(bench)) == 1
    second = bench.apply(code=9)
    assert second.writes == [] and len(posts(bench)) == 1, second.report
    assert "acme/charger/CP-001" in bench.open_unknowns()
    bench.converge()
    assert len(posts(bench)) == 30


def test_row_20_empty_list(bench: Bench) -> None:
    """A list that shrank to nothing against what earlier runs saw: 7, until a person says that it may have."""
    bench.write("exolink.yaml", fleet(3))
    bench.apply(code=0)
    bench.server.on(fs.lists, fs.relisted(lambda rows, hit: []))
    for _ in range(2):
        ran = bench.apply(code=7)
        assert "E-LIST-SHRANK" in ran.text and "--allow-shrunk acme/charger" in ran.text
    bench.plan("--detailed-exitcode", code=2)
    assert len(posts(bench)) == 3
    for identity in names(3):
        bench.world.soft_delete("acme", "charger", identity)
    bench.server.heal()
    bench.apply(code=7)
    bench.apply("--allow-shrunk", "acme/cpms", code=7)
    bench.apply("--allow-shrunk", "acme/charger", code=0)
    assert live_chargers(bench.world) == names(3)


def test_row_21_a_list_that_lags(bench: Bench) -> None:
    """Absence counts only after the settle window."""
    bench.settle = 1.5
    bench.write("exolink.yaml", fleet(5))
    bench.server.on(fs.lists, fs.hidden(0.6))
    bench.apply(code=0)
    assert len(posts(bench)) == 5


def test_row_21_a_list_that_lags_behind_the_run_before(bench: Bench) -> None:
    """What an earlier run made within the settle window is not made again because another replica does not show it yet."""
    bench.settle = 3.0
    bench.world.add("acme", "charger", identity="ANOTHER")
    bench.write("exolink.yaml", fleet(3))
    bench.apply(code=0)
    bench.server.on(fs.lists, fs.hidden(2.2))
    ran = bench.apply(code=None)
    assert ran.writes == [] and ran.code in (0, 4, 7, 9), ran.report


def test_row_22_soft_deleted_rows(bench: Bench) -> None:
    """A row with `deletedAt` does not exist: never matched, never updated; null and absent are live."""
    bench.world.add("acme", "charger", identity="CP-001", displayName="gone", deletedAt="2025-01-01T00:00:00Z")
    bench.world.add("acme", "charger", identity="CP-002", displayName="Bay 2", deletedAt=None)
    bench.world.add("acme", "charger", identity="CP-003", displayName="Bay 3")
    bench.write("exolink.yaml", fleet(3))
    ran = bench.apply(code=0)
    assert [exchange.line for exchange in ran.writes] == ["POST /tenant/acme/charger"]
    bench.empty()


def test_row_23_the_same_key_twice(bench: Bench) -> None:
    """Two live objects of one key: both ids shown, nothing done to either; a pinned id decides."""
    entry = "displayName: Bench, url: 'wss://a.example.com/', interval: 30"
    ids = [bench.world.add("acme", "cpms", displayName="Bench", url=f"wss://{host}.example.com/") for host in "bc"]
    bench.write("exolink.yaml", f"tenant: acme\ncpms: [{{{entry}}}]\n")
    ran = bench.apply(code=5)
    assert "E-DUPLICATE-LIVE" in ran.text and all(str(number) in ran.text for number in ids) and ran.writes == []
    bench.write("exolink.yaml", f"tenant: acme\ncpms: [{{{entry}, id: {ids[1]}}}]\n")
    ran = bench.apply(code=0)
    assert [exchange.path for exchange in ran.writes] == [f"/tenant/acme/cpms/{ids[1]}"]
    bench.world.soft_delete("acme", "cpms", ids[0])  # the duplicate was another hand's


def test_row_24_the_same_id_twice(bench: Bench) -> None:
    """A list that gives one id to two rows is not a list."""

    def doubled(rows: list[Row], hit: Hit) -> list[Row]:
        return [*rows, rows[0] | {"identity": "OTHER", "displayName": "other"}]

    bench.world.add("acme", "charger", identity="CP-001", displayName="x")
    bench.write("exolink.yaml", fleet(2))
    bench.server.on(fs.lists, fs.relisted(doubled))
    bench.apply(code=4)
    assert bench.server.writes == []


def test_row_25_names_that_are_nearly_equal(bench: Bench) -> None:
    """Two declared names that are equal after trimming, NFC and case folding are refused; no request is sent."""
    for one, other in (("Caf\u00e9", "Cafe\u0301"), ("Depot", "DEPOT"), ("Straße", "STRASSE")):
        entries = "".join(
            f'  - {{displayName: "{name}", url: "wss://a.example.com/", interval: 1}}\n' for name in (one, other)
        )
        bench.write("exolink.yaml", f"tenant: acme\ncpms:\n{entries}")
        ran = bench.plan(code=3)
        assert "exolink.yaml:3:" in ran.text and "exolink.yaml:4:" in ran.text
    assert bench.server.log == []


# ------------------------------------------------------------------------------------------------ writes that do otherwise


def test_row_26_the_server_stores_another_value(bench: Bench) -> None:
    """E-NORMALISED after the first write: 5, no more of that action and kind, and no loop."""
    for identity in names(5):
        bench.world.add("acme", "charger", identity=identity, displayName="x")
    bench.write("exolink.yaml", fleet(5))
    bench.server.on(fs.to("PUT"), fs.rewrites)
    ran = bench.apply(code=5)
    assert "E-NORMALISED" in ran.text and len(ran.writes) == 1
    assert "Bay 1" in ran.text and "Bay 1-stored" in ran.text, "what was sent, and what is stored"
    assert len(bench.apply(code=5).writes) == 1
    bench.converge()


def test_row_26_a_create_that_stores_another_value(bench: Bench) -> None:
    """The same for creates: one object, not five."""
    bench.write("exolink.yaml", fleet(5))
    bench.server.on(fs.to("POST"), fs.rewrites)
    ran = bench.apply(code=5)
    assert "E-NORMALISED" in ran.text and len(ran.writes) == 1
    bench.converge()


def test_row_27_put_replaces(bench: Bench) -> None:
    """A PUT that clears what was not sent is noticed on the first one: 5, with what was there before."""
    for identity in names(3):
        bench.world.add("acme", "charger", identity=identity, displayName="precious")
    entries = "".join(f"  - {{identity: {identity}, profileId: 2}}\n" for identity in names(3))
    bench.write("exolink.yaml", f"tenant: acme\nchargers:\n{entries}")
    bench.server.on(fs.to("PUT"), fs.replaces)
    ran = bench.apply(code=5)
    assert "E-PUT-CLOBBERS" in ran.text and "precious" in ran.text and len(ran.writes) == 1


def test_row_28_what_cannot_be_changed_in_place(bench: Bench) -> None:
    """A difference that the contract does not let us write is shown and held back; never delete and create."""
    bench.world.add("acme", "cpms", displayName="Primary", url="wss://a.example.com/", interval=30)
    bench.write("exolink.yaml", "tenant: acme\ncpms: [{displayName: Primary, interval: 60}]\n")
    plan = bench.plan("--detailed-exitcode", code=2)
    assert "interval" in plan.out and "--allow-replace" in plan.text and "createOnly" in plan.text
    assert bench.apply(code=5).writes == []


def test_row_29_rows_that_look_different(bench: Bench) -> None:
    """Unknown fields are ignored, numbers and strings both read; what is missing spoils the list, never a traceback."""
    row = {"id": "7", "identity": "CP-001", "displayName": "Bay 1", "profileId": "1", "new": {"deep": [1]}}
    bench.write("exolink.yaml", fleet(1))
    bench.server.on(fs.nth_to("GET", "/charger", 0), listed(json.dumps([row])))
    assert NO_CHANGES in bench.plan(code=0).out
    wrong = ["[[]]", '[{"id": 1}]', '[{"id": null, "identity": "A"}]', '[{"id": 1, "identity": {}}]']
    for body in wrong:
        bench.server.heal()
        bench.server.on(fs.lists, listed(body))
        assert "E-" in bench.plan(code=4).text, body


@pytest.mark.parametrize("bomb", ["gzip", "endless", *seldom("declared")])
def test_row_30_answers_without_end(bench: Bench, bomb: str) -> None:
    """An answer is bounded in decoded bytes: 4, in bounded memory, soon."""
    faults = {
        "gzip": fs.gzip_bomb(4096),
        "declared": fs.oversize(4096, declared=True),
        "endless": fs.oversize(4096, declared=False),
    }
    bench.write("exolink.yaml", fleet(1))
    bench.server.on(fs.lists, faults[bomb])
    running = bench.start("plan", "--timeout", "20")
    ran = running.finish()
    bench.check(ran, 4)
    assert ran.peak < 700, f"{ran.peak} MiB"
    assert len(bench.server.log) <= 4, "too large once is too large always"


@pytest.mark.parametrize("headers", [False, True])
def test_row_31_drip(bench: Bench, headers: bool) -> None:
    """The time limit is for a request as a whole, headers included: a byte now and then does not extend it."""
    bench.write("exolink.yaml", fleet(1))
    bench.server.on(fs.lists, fs.drip(0.1, headers=headers))
    bench.plan(code=4)


def test_row_32_hostile_json(bench: Bench) -> None:
    """Depth, NaN, numbers without end and a name given twice: 4, each time."""
    row = '{"id": 1, "identity": "CP-001", "displayName": "A", "profileId": %s}'
    bodies = ["[" * 200_000 + "]" * 200_000, f"[{row % 'NaN'}]", f"[{row % ('9' * 5000)}]", f"[{row % '1e999'}]"]
    bodies += ['[{"id": 1, "id": 2, "identity": "CP-001", "displayName": "A", "profileId": 1}]', f"[{row % 1}] x"]
    bench.write("exolink.yaml", fleet(1))
    for body in bodies:
        bench.server.heal()
        bench.server.on(fs.lists, listed(body))
        ran = bench.plan(code=4)
        assert len(ran.text) < 5000, "a message shows a part"


# ----------------------------------------------------------------------------------------------- the token has one place


@pytest.fixture
def trap() -> Iterator[fs.FaultServer]:
    """A second listener, which must never hear of us."""
    with fs.serving(World(("acme",), TOKEN)) as trap:
        yield trap
        assert trap.log == [], [exchange.line for exchange in trap.log]


@pytest.mark.parametrize("status", [301, 307, *seldom(302, 303, 308)])
def test_row_33_redirect(bench: Bench, trap: fs.FaultServer, status: int) -> None:
    """Never followed, on a read as on a write: E-REDIRECT names the host, and nobody else gets the token."""
    bench.write("exolink.yaml", fleet(2))
    target = trap.url.replace("127.0.0.1", "localhost")
    bench.server.on(fs.always, fs.redirect(status, target))
    ran = bench.apply(code=4)
    assert "E-REDIRECT" in ran.text and "localhost" in ran.text and "--api-url" in ran.text
    bench.server.heal()
    bench.server.on(fs.writes, fs.redirect(status, target))
    bench.apply(code=(5, 9))
    bench.converge()


@pytest.mark.parametrize("relation", ["next", "help"])
def test_row_34_addresses_in_the_data(relation: str, bench: Bench, trap: fs.FaultServer) -> None:
    """Links that the API gives are data: nothing is sent there. One that says that there is a next page spoils the list."""

    def linked(hit: Hit) -> None:
        status, headers, body = hit.commit()
        links = {"Link": f'<{trap.url}/tenant/acme/charger?page=2>; rel="{relation}"', "Location": trap.url + "/next"}
        rows = [row | {"href": trap.url, "next": trap.url} for row in json.loads(body)] if hit.lists else None
        hit.send(
            status, {**headers, **links, "Refresh": f"0; url={trap.url}"}, json.dumps(rows).encode() if rows else body
        )

    bench.world.add("acme", "charger", identity="CP-001", displayName="x")
    bench.write(
        "exolink.yaml", fleet(2) + f'cpms: [{{displayName: A, url: "ws://127.0.0.1:{trap.port}/", interval: 1}}]\n'
    )
    bench.server.on(fs.always, linked)
    if relation == "next":
        ran = bench.apply(code=4)
        assert "E-BAD-LIST" in ran.text and not any(hit.is_write for hit in bench.server.log)
        return
    bench.apply(code=0)
    bench.empty()


def test_row_35_names_that_climb(bench: Bench) -> None:
    """A tenant's name stays in its path segment: refused, with no request."""
    wrong = ("..", ".", "a/b", "../x", "%2e%2e", "a?x", "a#x", "a%2Fb", "a b", "a\\\\b", "a;b", "a@b", "")
    bench.write("exolink.yaml", "---\n".join(f'tenant: "{name}"\nname: X\n' for name in wrong))
    ran = bench.plan(code=3)
    assert all(f"exolink.yaml:{number * 3 + 1}:" in ran.text for number in range(len(wrong))), ran.report
    for name in ("..", "a/b", "a?x"):
        bench.run("export", name, code=3)
    assert bench.server.log == []


def test_row_36_tls(start_bench: Callable[..., Bench], tmp_path: Path) -> None:
    """Self-signed, expired and for another host: 4 with the reason, and the token stays here; --ca-file is the way."""
    good = certificate(tmp_path, "good", "127.0.0.1")
    cases = {
        "self-signed": (good, ()),
        "expired": (certificate(tmp_path, "old", "127.0.0.1", until="20200101000000Z"), ("old",)),
        "hostname": (certificate(tmp_path, "other", "127.9.9.9"), ("other",)),
    }
    for word, (context, trusted) in cases.items():
        bench = start_bench(tls=context)
        bench.write("exolink.yaml", fleet(1))
        more = [text for name in trusted for text in ("--ca-file", str(tmp_path / f"{name}.crt"))]
        ran = bench.plan(*more, code=4)
        assert "certificate" in ran.text.lower(), word
        assert bench.server.log == []
    bench = start_bench(tls=good)
    bench.write("exolink.yaml", fleet(1))
    bench.apply("--ca-file", str(tmp_path / "good.crt"), code=0)


def certificate(folder: Path, name: str, address: str, *, until: str = "20491231235959Z") -> ssl.SSLContext:
    """A certificate of its own making, from 2019 on."""
    config = folder / f"{name}.cnf"
    text = f"""
        [ca]
        default_ca = own
        [own]
        database = {folder}/{name}.index
        new_certs_dir = {folder}
        default_md = sha256
        policy = any
        rand_serial = yes
        x509_extensions = usage
        [any]
        commonName = supplied
        [usage]
        subjectAltName = IP:{address}
        basicConstraints = critical, CA:true
        [req]
        distinguished_name = asked
        prompt = no
        [asked]
        CN = {address}
    """
    config.write_text("\n".join(line.strip() for line in text.splitlines()))
    (folder / f"{name}.index").touch()
    key, request, made = (folder / f"{name}.{end}" for end in ("key", "csr", "crt"))

    def openssl(*args: str | Path) -> None:
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)

    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-config", config)
    openssl("ca", "-batch", "-selfsign", "-config", config, "-keyfile", key, "-in", request, "-out", made, "-notext",
            "-startdate", "20190101000000Z", "-enddate", until)  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    return context


def test_row_37_plain_http(bench: Bench) -> None:
    """http:// is for loopback only: 3, without a request and without showing the token."""
    bench.write("exolink.yaml", fleet(1))
    for url in (
        "http://192.0.2.1",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://[::2]",
        "ftp://127.0.0.1",
    ):
        bench.plan("--api-url", url, code=3)
    bench.plan("--api-url", bench.server.url, code=0)


def test_row_38_proxies(bench: Bench) -> None:
    """A proxy of the environment is used by CONNECT, named without its password, and never sees the token."""
    heard: list[bytes] = []

    def proxy(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(2)
                heard.append(client.recv(65536))
                client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    bench.write("exolink.yaml", fleet(1))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        in_background(lambda: proxy(listener))
        port = listener.getsockname()[1]
        env = {"HTTPS_PROXY": f"http://ops:hush-hush@127.0.0.1:{port}"}
        ran = bench.plan("--api-url", "https://exolink.invalid", env=env, code=4)
        bench.plan(code=0, env={"HTTP_PROXY": env["HTTPS_PROXY"], "ALL_PROXY": env["HTTPS_PROXY"]})
        listener.shutdown(socket.SHUT_RDWR)
    assert heard and all(octets.startswith(b"CONNECT exolink.invalid:443 ") for octets in heard)
    assert TOKEN.encode() not in b"".join(heard)
    assert f"127.0.0.1:{port}" in ran.text and "hush-hush" not in ran.text


CLOCK = """
import time
_real = time.time
_start = time.monotonic()
def _jumping():
    return _real() + ({ahead} if time.monotonic() - _start < {after} else {then})
time.time = _jumping
"""


@pytest.mark.parametrize(("ahead", "then"), [(36_000, 36_000), (0, -86_400), *seldom((-36_000, -36_000), (0, 86_400))])
def test_row_39_a_clock_that_is_wrong(bench: Bench, ahead: int, then: int) -> None:
    """Hours ahead or behind, or jumping in the middle: durations are not measured by it."""
    env = bench.patch(CLOCK.format(ahead=ahead, then=then, after=0.7))
    bench.write("exolink.yaml", fleet(3))
    bench.server.on(fs.nth("POST", 1), fs.timeout_after)
    bench.server.on(fs.nth("POST", 2), fs.throttled("1"))
    bench.apply(code=0, env=env)
    assert len(posts(bench)) == 4


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_row_39_a_clock_that_jumps_between_runs(bench: Bench, jump: int) -> None:
    """An unknown of a run whose clock was wrong is waited for, and not for a day."""
    bench.settle, bench.timeout = 1.5, 1.0
    bench.write("exolink.yaml", fleet(3))
    bench.server.on(fs.nth("POST", 1), fs.kill_late(LATE))
    bench.apply(code=-9, env=bench.patch(CLOCK.format(ahead=jump, then=jump, after=0)))
    bench.server.heal()
    bench.apply(code=(0, 9))
    bench.converge()


def test_row_40_the_first_address_is_dead(bench: Bench) -> None:
    """Of several addresses the first ones are dead: the next is tried."""
    code = """
        import socket
        _real = socket.getaddrinfo
        def several(host, port, *args, **kwargs):
            if host != "localhost":
                return _real(host, port, *args, **kwargs)
            dead = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", port)) for n in (77, 78)]
            return dead + _real("127.0.0.1", port, *args, **kwargs)
        socket.getaddrinfo = several
    """
    bench.write("exolink.yaml", fleet(1))
    bench.apply("--api-url", bench.server.url.replace("127.0.0.1", "localhost"), code=0, env=bench.patch(code))
    assert live_chargers(bench.world) == names(1)
