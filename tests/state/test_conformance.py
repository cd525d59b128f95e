"""What every home of state promises: the same tests for the folder and for the database."""

import functools
import threading
import time
from typing import Any

import pytest
from support_journal import intended, names, step

from exolink_reconcile.errors import Locked, ReconcileError
from exolink_reconcile.model import Action, Outcome, Status
from exolink_reconcile.resource import Address, ListKey
from exolink_reconcile.state.store import NewBase

from .conftest import ORIGIN, Open

OTHER = "https://other.example.com"


def held(store: Any, *tenants: str, timeout: float = 0.0) -> Any:
    return store.hold(tenants or ("acme",), timeout, lambda sentence: None)


# --------------------------------------------------------------------------------------------------------------- locks


def test_one_run_at_a_time(home: Open) -> None:
    """A tenant of an API belongs to one run; another tenant, or the same of another API, to whom wants it."""
    first, second, elsewhere = home(), home(), home(OTHER)
    with held(first):
        with pytest.raises(Locked, match="E-LOCKED: tenant acme is locked by another apply: "), held(second, "acme"):
            pass
        with held(second, "beta"), held(elsewhere, "acme"):
            pass
        [lease] = first.leases()
        assert (lease.origin, lease.tenant, lease.run) == (ORIGIN, "acme", first.run)
        assert lease.who and lease.host and lease.taken > 1e9
    with held(second, "acme"):
        pass
    assert second.leases() == []


def test_waiting_for_a_lock(home: Open) -> None:
    """A run waits as long as it was told, says for whom, and goes on as soon as the other ends."""
    first, second = home(), home()
    sentences: list[str] = []
    entered = threading.Event()

    def hold_a_while() -> None:
        with held(first):
            entered.set()
            while not sentences:
                time.sleep(0.01)

    thread = threading.Thread(target=hold_a_while)
    thread.start()
    entered.wait(30)
    with second.hold(["acme"], 60.0, sentences.append):
        assert names(second.open_intents(["acme"])) == []
    thread.join()
    assert len(sentences) == 1 and "Waiting up to" in sentences[0] and "tenant acme" in sentences[0]


def test_a_lock_that_is_not_given_leaves_none_behind(home: Open) -> None:
    """Of several tenants all are held or none."""
    first, second = home(), home()
    with held(first, "beta"):
        with pytest.raises(Locked), held(second, "acme", "beta"):
            pass
        with held(first, "acme"):
            pass


# ------------------------------------------------------------------------------------------------------------- intents


@pytest.mark.parametrize(
    ("action", "remote_id"), [(Action.CREATE, None), (Action.UPDATE, 7), (Action.REPLACE, 7), (Action.DELETE, 7)]
)
def test_an_intent_is_seen_by_others(home: Open, action: Action, remote_id: int | None) -> None:
    """When `intend` has returned another run sees the whole write as open, whatever becomes of this one."""
    first = home()
    with held(first):
        intended(first, step("A/b", action))
        [op] = home().open_intents(["acme"])
    assert (op.origin, op.address, op.action, op.remote_id) == (
        ORIGIN,
        Address("acme", "cpms", "A/b"),
        action.word,
        remote_id,
    )
    assert (op.after, op.answered, op.deleted, op.made_id, op.attempts) == (
        {"displayName": "A/b"},
        False,
        False,
        None,
        1,
    )
    assert op.run == first.run and abs(op.intended_at - time.time()) < 3600 and 0 <= op.age < 60


def test_any_text_goes_on_record(home: Open) -> None:
    """What an object holds comes back as it was, whatever its texts look like; so does a write beside it."""
    texts = ['"', "\\", "{},{", "[]", "a\nb\tc", "\x00\x1b", "\ud800", "\U0001f600", "NULL", "'; --", "%s %(x)s", " "]
    odd, plain = step("odd"), step("plain", Action.UPDATE)
    with held(store := home()):
        store.intend(odd, {}, {"displayName": texts, "".join(texts): None})
        store.intend(plain, {"displayName": "before"}, {"displayName": "after"})
        store.settle([Outcome(odd, Status.DONE, detail="".join(texts)), Outcome(plain, Status.DONE)])
    second, first = store.history()
    assert (
        dict(first.after) == {"displayName": texts, "".join(texts): None} and first.outcome == second.outcome == "done"
    )
    assert (dict(second.before), dict(second.after)) == ({"displayName": "before"}, {"displayName": "after"})


def test_open_operations_of_whom(home: Open) -> None:
    """An apply sees those of its API and tenants, oldest first; `unknowns` sees all."""
    other, store = home(OTHER), home()
    with held(other), held(store, "acme", "beta", "gamma"):
        intended(other, step("O"))
        intended(store, step("Z"), step("A"), step("B", tenant="beta"), step("G", tenant="gamma"))
        assert names(store.open_intents()) == ["O", "Z", "A", "B", "G"]
        assert names(store.open_intents(["acme"])) == ["Z", "A"]
        assert names(store.open_intents(["gamma", "acme"])) == ["Z", "A", "G"]
        assert store.open_intents([]) == []


def test_threads_at_once(home: Open) -> None:
    """Intents of many threads are each kept, and each closes its own only."""
    steps = [step(f"N{number:02}") for number in range(24)]
    store = home()
    with held(store):
        threads = [threading.Thread(target=intended, args=(store, step)) for step in steps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(names(store.open_intents())) == [step.address.name for step in steps]
        store.settle([Outcome(steps[5], Status.DONE)])
        assert sorted(names(store.open_intents())) == [step.address.name for step in steps if step is not steps[5]]


def test_the_life_of_a_write(home: Open) -> None:
    """Sent again, answered, half of it answered: each is seen by others at once, and what was made is never forgotten."""
    create, replace = step("A"), step("B", Action.REPLACE)
    store = home()
    with held(store):
        intended(store, create, replace)
        for _ in range(3):
            store.sending(create)
        store.answered(create)
        store.answered(replace, deleted=True)
        first, second = home().open_intents(["acme"])
        assert (first.attempts, first.answered, first.deleted) == (3, True, False)
        assert (second.attempts, second.answered, second.deleted) == (1, False, True)
        store.settle([Outcome(create, Status.UNKNOWN, code="E-AMBIGUOUS", made=41)])
        store.settle([Outcome(create, Status.UNKNOWN, code="E-AMBIGUOUS")])
        assert [op.made_id for op in store.open_intents(["acme"])] == [41, None]


@pytest.mark.parametrize(
    ("outcome", "still_open", "answered"),
    [
        ({"status": Status.DONE}, False, None),
        ({"status": Status.FAILED, "code": "E-REJECTED"}, False, None),
        ({"status": Status.SKIPPED}, False, None),
        ({"status": Status.UNKNOWN, "code": "E-AMBIGUOUS"}, True, False),
        ({"status": Status.UNKNOWN, "code": "E-LIST-BLIND"}, True, True),
        ({"status": Status.DONE, "code": "E-UNVERIFIED"}, True, True),
    ],
)
def test_what_stays_open(home: Open, outcome: dict[str, Any], still_open: bool, answered: bool | None) -> None:
    """Only a known outcome closes a write; a create that was answered and does not show up is marked as such."""
    open_step, never_sent = step(), step("Never")
    store = home()
    with held(store):
        intended(store, open_step)
        store.settle([Outcome(open_step, **outcome), Outcome(never_sent, Status.SKIPPED, "why", "E-STOPPED")])
        intents = store.open_intents()
    assert ([op.answered for op in intents] == [answered]) if still_open else intents == []


def test_what_an_earlier_run_left(home: Open) -> None:
    """It is closed by a later run with what reading told, with the id that was found; what is not there is an error."""
    first = home()
    with held(first):
        intended(first, step("A"), step("B"), step("C"))
    second = home()
    with held(second):
        a, b, c = second.open_intents(["acme"])
        second.settle_earlier({a.number: "applied", b.number: "not applied"}, {a.number: 41})
        second.forget([c])
        assert second.open_intents() == []
        assert [(op.address.name, op.remote_id) for op in second.made_lately(["acme"], 60.0)] == [("A", 41)]
        with pytest.raises(ReconcileError):
            second.settle_earlier({10**9: "applied"})


def test_what_was_made_lately(home: Open) -> None:
    """Creates of the last seconds, of this API and these tenants, with the id of what they made."""
    other, store = home(OTHER), home()
    steps = [step("A"), step("B"), step("T", tenant="beta")]
    with held(other), held(store, "acme", "beta"):
        written = step("O")
        intended(other, written)
        other.settle([Outcome(written, Status.DONE, made=1)])
        intended(store, *steps)
        store.settle([Outcome(written, Status.DONE, made=number) for written, number in zip(steps, (41, None, 43))])
        assert [(op.address.name, op.remote_id) for op in store.made_lately(["acme"], 60.0)] == [("A", 41)]
        assert names(store.made_lately(["beta", "acme"], 60.0)) == ["A", "T"]
        assert store.made_lately(["acme"], 0.0) == []


def test_what_was_made_last_at_an_address(home: Open) -> None:
    """By address the id of what was made last, however long ago and however many; other APIs and addresses do not count."""
    other, store = home(OTHER), home()
    steps = [step(name) for name in ("A", "A", "B", "C", 'O\'Neil \u2014 "x"')] + [step("A", tenant="beta")]
    with held(other), held(store, "acme", "beta"):
        each = step("A")
        intended(other, each)
        other.settle([Outcome(each, Status.DONE, made=1)])
        intended(store, *steps)
        ids = (41, 42, None, 44, 45, 46)
        store.settle([Outcome(each, Status.DONE, made=made) for each, made in zip(steps, ids)])
        addresses = [Address("acme", "cpms", name) for name in ("A", "B", "never", steps[4].address.name)]
        many = [Address("acme", "cpms", f"CP-{number}") for number in range(12_000)]
        numbers = store.last_made([*many, *addresses, *(each._replace(kind="charger") for each in addresses)])
        assert numbers == {addresses[0]: 42, addresses[3]: 45}
        assert store.last_made([]) == {}


def test_the_clock_of_the_api(home: Open) -> None:
    """An age is never more than the API's own clock says, nor below zero."""
    store = home()
    store.api_now = lambda: 1_000_000.0
    with held(store):
        intended(store, step())
        assert store.open_intents()[0].age < 30
        for now in (1_000_000.0, 500_000.0):
            store.api_now = functools.partial(float, now)
            assert store.open_intents()[0].age == 0.0


# ---------------------------------------------------------------------------------------------------------- remembered


def test_last_seen_counts(home: Open) -> None:
    """Counts of each list, of this API only; a new count takes the place of the old one."""
    store = home()
    with held(store):
        assert dict(store.seen()) == {}
        store.saw({ListKey("acme", "cpms"): 2, ListKey("acme", "charger"): 5})
        store.saw({ListKey("acme", "cpms"): 3})
        store.saw({})
    assert dict(home().seen()) == {ListKey("acme", "cpms"): 3, ListKey("acme", "charger"): 5}
    assert dict(home(OTHER).seen()) == {}


def test_the_base(home: Open) -> None:
    """What was declared and verified; what is kept out of it keeps what was remembered before."""
    a, b, c, d, e = (Address("acme", "cpms", name) for name in ("A", "B/ü", "C", "D", "E"))
    store = home()
    assert store.base("acme") is None
    store.keep_base("acme", NewBase({a: {"url": "1", "interval": 30}, b: {"url": "2", "interval": 60}}, removed=[d]))
    store.keep_base(
        "acme", NewBase({a: {"url": "3"}, b: {"url": "9"}, c: {}}, keep={b, d}, removed=[e], exclusive=["cpms/*"])
    )
    base = home().base("acme")
    assert base is not None and abs(base.when - time.time()) < 3600
    assert base.declared == {a: {"url": "3"}, b: {"url": "2", "interval": 60}, c: {}}
    assert base.removed == {d, e} and base.exclusive == ("cpms/*",)
    assert home(OTHER).base("acme") is None


def test_what_a_plan_has_done(home: Open) -> None:
    """The addresses whose last write is of that plan: what another plan wrote there since is not done any more."""
    steps = [step("A"), step("B"), step("C")]
    for digest, written in (("1" * 64, steps), ("2" * 64, steps[1:2])):
        store = home()
        store.digest = digest
        with held(store):
            for begun in written:
                store.intend(begun, {}, {})
                store.sending(begun)
                store.answered(begun)
            store.settle([Outcome(begun, Status.DONE) for begun in written if begun is not steps[2]])
    assert home().done("1" * 64) == {steps[0].address} and home().done("2" * 64) == {steps[1].address}
    assert home(OTHER).done("1" * 64) == frozenset()


def test_history(home: Open) -> None:
    """Every write of every run, newest first: what was there, what was sent, and what became of it."""
    create, delete = step("A"), step("B", Action.DELETE)
    first, second = home(), home()
    with held(first):
        first.started(2)
        intended(first, create, delete)
        first.settle(
            [Outcome(create, Status.DONE, made=41), Outcome(delete, Status.FAILED, "no\0\udcff", "E-REJECTED")]
        )
        first.ended(5, (1, 0, 0))
    with held(second):
        intended(second, step("C"))
        writes = list(home().history())
    assert [(w.address.name, w.outcome, w.code, w.made_id) for w in writes] == [
        ("C", None, "", None),
        ("B", "failed", "E-REJECTED", None),
        ("A", "done", "", 41),
    ]
    assert [w.address.name for w in second.history(first.run)] == ["B", "A"]
    assert writes[1].before == {"displayName": "before"} and writes[2].after == {"displayName": "A"}
    assert {w.who for w in writes} == {first.who} and writes[0].run == second.run  # type: ignore[attr-defined]  # both homes have a run


def test_nothing_is_written_by_looking(home: Open) -> None:
    """A run that ended leaves nothing held."""
    store = home()
    with held(store):
        store.may_send()
    assert home().leases() == [] and list(home().history()) == []
