"""Two machines that share a state: started at one moment with clocks apart, and cut off from the database or the API.

The machines are namespaces of Linux: networks, host names and times since boot of their own, TLS to the API and to the
database. Where these are not permitted, the machines that start together are two homes; the name of each test says which.
"""

import contextlib
import os
import random
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import machines
import postgres_server
import pytest
from machines import Cable, Machine

from . import bench as benches
from . import server as fs
from .bench import Bench, Running, seldom, wait_for
from .server import duplicates
from .test_shared_state import Gate

NAMESPACES, HOMES = "in namespaces", "in homes"
BEST = HOMES if machines.obstacle() else NAMESPACES
# A wall clock that is wrong, and a rest before one intent, until the test says that it is over.
MACHINE = """
if "exolink_reconcile" in " ".join(sys.orig_argv):
    import os, time
    skew, real = float(os.environ.get("SKEW", "0")), time.time
    time.time = lambda: real() + skew
    rests = os.environ.get("RESTS")
    if rests:
        from exolink_reconcile.state import postgres
        intend, intents = postgres.PostgresStore.intend, []
        def rested(*args):
            intents.append(1)
            if len(intents) == 3:
                open(rests, "x").close()
                while os.path.exists(rests):
                    time.sleep(0.01)
            return intend(*args)
        postgres.PostgresStore.intend = rested
"""
NAMES = [f"B{number}" for number in range(6)]


@dataclass(frozen=True)
class Site:
    """Two machines, and a database that both reach by one URL."""

    network: machines.Network
    server: postgres_server.Server
    folder: Path
    tls: ssl.SSLContext

    @property
    def authority(self) -> Path:
        return self.folder / "site.crt"

    def url(self) -> str:
        """The URL of a new database."""
        place = f"{self.network.addresses['database']}:{self.server.port}/{self.server.new_database()}"
        return f"postgresql://postgres@{place}?sslmode=verify-full&sslrootcert={self.authority}"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One for all tests of this module; skipped where it is not permitted, with the reason."""
    if reason := machines.obstacle():
        pytest.skip(reason)
    tools = postgres_server.server().tools
    with contextlib.ExitStack() as stack:
        network = machines.Network("alpha", "beta")
        stack.callback(network.remove)
        folder = Path(tempfile.mkdtemp(prefix="exolink-site-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder)
        key, certificate = folder / "site.key", folder / "site.crt"
        names = ",".join(f"IP:{address}" for address in network.addresses.values())
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "9",
             "-subj", "/CN=site", "-addext", f"subjectAltName={names}"], check=True, capture_output=True,
        )  # fmt: skip
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        folder.chmod(0o755)
        os.chown(key, postgres_server.NOBODY, postgres_server.NOBODY)
        listen = f"127.0.0.1,{network.addresses['database']}"
        more = {"listen_addresses": listen, "ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": key}
        server = postgres_server.Server(tools, more=more)
        stack.callback(server.remove)
        with (server.data / "pg_hba.conf").open("a") as rules:
            rules.write("hostssl all all 198.18.0.0/15 trust\n")
        server.sql("SELECT pg_reload_conf()")
        yield Site(network, server, folder, tls)


@dataclass
class Pair:
    """The two machines of a test, by number; without machines they are two homes."""

    bench: Bench
    machines: tuple[Machine, ...] = ()

    def start(self, number: int, *args: str, **variables: str) -> Running:
        home = self.bench.folder / f"home{number}"
        home.mkdir(exist_ok=True)
        wrap = self.machines[number].wrap if self.machines else ()
        return self.bench.start(*args, env={"HOME": str(home), **variables}, wrap=wrap)

    def writes(self, number: int) -> list[fs.Exchange]:
        """What this machine wrote, by the server's log."""
        address = self.machines[number].address("api")
        return [exchange for exchange in self.bench.server.writes if exchange.client == address]


@pytest.fixture
def pair(
    request: pytest.FixtureRequest, start_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Pair]]:
    """Makes the two machines, by kind."""
    monkeypatch.setattr(benches, "SHORT_LEASES", benches.SHORT_LEASES + MACHINE)

    def make(kind: str) -> Pair:
        if kind == HOMES:
            server, bench = postgres_server.server(), start_bench()
            bench.state_url = server.url(server.new_database())
            return Pair(bench)
        site: Site = request.getfixturevalue("site")
        bench = start_bench(tls=site.tls, address=site.network.addresses["api"])
        bench.state_url = site.url()
        bench.variables = {"EXOLINK_CA_FILE": str(site.authority)}
        return Pair(bench, tuple(site.network.machines))

    yield make


def backends(url: str, *, removed: int = 0) -> str:
    """A document that declares the backends, but for the first few, which are removed."""
    entries = "".join(f"  - {{displayName: {name}, url: 'wss://{url}/', interval: 30}}\n" for name in NAMES[removed:])
    gone = "".join(f"  - {{cpms: {name}}}\n" for name in NAMES[:removed])
    return f"tenant: acme\ncpms:\n{entries}" + (f"removed:\n{gone}" if gone else "")


CASES = {
    "the same creates": (backends("one"), backends("one")),
    "opposite updates": (backends("one"), backends("two")),
    "deletes against updates": (backends("one", removed=4), backends("two")),
}


KEY_CELLS = [*((case, HOMES, 0) for case in CASES), ("opposite updates", BEST, 30)]
CELLS = [(case, BEST, number) for case in CASES for number in range(1, 31)]


@pytest.mark.parametrize(
    ("case", "kind", "number"), [*KEY_CELLS, *seldom(*(cell for cell in CELLS if cell not in KEY_CELLS))]
)
def test_two_machines_start_together(
    pair: Callable[[str], Pair], record_property: Callable[[str, int], None], case: str, kind: str, number: int
) -> None:
    """One of them works and the other is locked out, or they go one after the other: the end is what one declares."""
    two = pair(kind)
    bench = two.bench
    if case != "the same creates":
        bench.may_delete = {bench.world.add("acme", "cpms", displayName=name, url="wss://old/") for name in NAMES}
    bench.server.on(fs.always, lambda hit: time.sleep(0.05))  # so that they are at work at the same time
    choice = random.Random(number)
    running = []
    for machine, document in enumerate(CASES[case]):
        bench.write(f"{machine}.yaml", document)
        waits, skew = choice.choice(("0", "30")), str(choice.choice((-3600, 0, 3600)))
        more = ("--allow-deletes", "4", "--lock-timeout", waits, f"{machine}.yaml")
        running.append(two.start(machine, "apply", "--auto-approve", *more, SKEW=skew))
    ended = [process.finish() for process in running]
    report = "\n\n".join(ran.report for ran in ended)
    for ran in ended:
        assert "Traceback" not in ran.text and ran.code in (0, 5, 6, 7, 8), report
    assert any(ran.code == 0 for ran in ended) and duplicates(bench.world) == [], report
    states = {tuple((name, f"wss://{url}/") for name in NAMES[removed:]) for url, removed in (("one", 0), ("one", 4), ("two", 0))}  # fmt: skip
    live = tuple(sorted((row["displayName"], row["url"]) for row in bench.world.live("acme", "cpms")))
    assert live in states, f"{live}\n{report}"
    codes = " and ".join(sorted(str(ran.code) for ran in ended))
    record_property(f"figure: {case} by two machines {kind} at once, exit {codes}", 1)


def test_machines_end_with_the_process_that_made_them() -> None:
    """Also when it is killed: no namespace and no cable stays on the computer that runs the tests."""
    if reason := machines.obstacle():
        pytest.skip(reason)
    code = (
        "import machines, time; network = machines.Network('one', 'two'); print('ready', flush=True); time.sleep(600)"
    )
    folder = str(Path(machines.__file__).parent)
    with subprocess.Popen([sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        assert f"x{process.pid}a0" in links()
        process.kill()
    wait_for(lambda: f"x{process.pid}" not in links())


def links() -> str:
    return subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout


# ------------------------------------------------------------------------------------------------- cables that are cut


@pytest.fixture
def cutting() -> Iterator[Callable[[str, Machine, Cable], Callable[[], None]]]:
    """Cuts a cable, and gives what puts it right again; at the end of the test all are right."""
    repairs: list[Callable[[], None]] = []

    def cut(how: str, machine: Machine, cable: Cable) -> Callable[[], None]:
        break_it, repair_it = machines.TROUBLE[how]
        break_it(machine, cable)

        def repair() -> None:
            repairs.remove(repair)
            repair_it(machine, cable)

        repairs.append(repair)
        return repair

    yield cut
    for repair in list(repairs):
        repair()


Cut = Callable[[str, Machine, Cable], Callable[[], None]]


@pytest.mark.long
@pytest.mark.parametrize("how", machines.TROUBLE)
@pytest.mark.parametrize("answered", ["late", "at once"])
def test_a_machine_loses_the_database(pair: Callable[[str], Pair], cutting: Cut, how: str, answered: str) -> None:
    """It writes nothing more; the other one goes on when the lease is over, and nothing is made twice."""
    two = pair(NAMESPACES)
    two.bench.write("exolink.yaml", backends("one"))
    gate = Gate()
    two.bench.server.on(fs.nth_write(2), gate, times=1)
    first = two.start(0, "apply", "--auto-approve", "--parallelism", "1", "--timeout", "100")
    assert gate.reached.wait(60)
    repair = cutting(how, two.machines[0], "database")
    if answered == "at once":
        gate.opened.set()
    second = two.start(1, "apply", "--auto-approve", "--lock-timeout", "60").finish()
    two.bench.check(second, 0)
    gate.opened.set()
    ran = first.finish(120)
    two.bench.check(ran, (8, 9, 11))
    assert len(two.writes(0)) == 3 and len(two.writes(1)) == 3, ran.report
    repair()
    again = two.start(0, "apply", "--auto-approve", "--lock-timeout", "60").finish()
    two.bench.check(again, 0)
    assert again.writes == [] and two.bench.start("locks", "--format", "json").finish().json["locks"] == []


@pytest.mark.long
@pytest.mark.parametrize("ends", ["by itself", "killed"])
@pytest.mark.parametrize("how", machines.TROUBLE)
def test_a_machine_loses_the_api(pair: Callable[[str], Pair], cutting: Cut, how: str, ends: str) -> None:
    """Its write never arrives once it was given up, also when its kernel still had it: the other one makes it, once."""
    two = pair(NAMESPACES)
    bench = two.bench
    bench.write("exolink.yaml", backends("one"))
    resting = bench.folder / "rests"
    first = two.start(0, "apply", "--auto-approve", "--parallelism", "1", RESTS=str(resting))
    wait_for(resting.exists)
    repair = cutting(how, two.machines[0], "api")
    resting.unlink()
    if ends == "killed":
        wait_for(lambda: two.machines[0].holds("api"))
        first.process.kill()
    ran = first.finish(120)
    bench.check(ran, -9 if ends == "killed" else 9)
    second = two.start(1, "apply", "--auto-approve", "--lock-timeout", "60").finish()
    bench.check(second, 0)
    repair()
    wait_for(lambda: not two.machines[0].holds("api"), 200)
    assert len(two.writes(0)) == 2 and len(two.writes(1)) == 4, ran.report
    again = two.start(0, "apply", "--auto-approve").finish()
    bench.check(again, 0)
    assert again.writes == []
