"""An HTTP/1.1 server on raw sockets that breaks what it is told to break, and keeps the log that judges.

Its state is a `World`; sockets, framing and faults are its own. Standard library only; loopback unless a test has a network of its own.

A *rule* says when (a predicate on the `Hit`, that is on one request) and what (a *fault*: a function of the hit). A fault
answers, or does not, by means of the hit: `commit` lets the request take effect, `send` and `raw` write to the client,
`reset`, `close` and `hang` do not answer, `later` commits when the client has long gone, `kill` kills the client. A fault
that returns without having done any of it (a hand that edits the world, say) leaves the request to the rules of the world.
"""

import base64
import contextlib
import json
import select
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import command
from world import WRITES, Answer, Refusal, Row, World

JSON = {"Content-Type": "application/json"}
PAGE = b"<!doctype html><html><body><h1>Please log in</h1></body></html>"
KEYS = {"cpms": "displayName", "charger": "identity"}


class Lenient(World):
    """A World that lets two chargers have one identity: the judge must see a duplicate, not have it refused.

    `strict`: it refuses it all the same, where a short list makes a duplicate certain.
    """

    strict = False

    def _create(self, tenant: str, kind: str, body: Row) -> Answer:
        try:
            return super()._create(tenant, kind, body)
        except Refusal as refusal:
            if refusal.status != 409 or self.strict:
                raise
        self._new_row(tenant, kind).update(body)
        return 201, {}, b""


@dataclass
class Exchange:
    """One request as it came in, and what became of it."""

    index: int
    run: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    connection: int
    client: str  # the address that it came from
    committed: bool = False
    status: int = 0  # what the client was told; 0: nothing
    fault: str = ""

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_write(self) -> bool:
        return self.method in WRITES

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Hit:
    """One request in the hands of a fault. `nth` counts from 0 within the method, `write` among the writes (else -1)."""

    server: "FaultServer"
    exchange: Exchange
    sock: socket.socket
    nth: int
    write: int
    answered: bool = False
    keep: bool = True

    @property
    def index(self) -> int:
        return self.exchange.index

    @property
    def method(self) -> str:
        return self.exchange.method

    @property
    def path(self) -> str:
        return self.exchange.path

    @property
    def lists(self) -> bool:
        """Does it read a list?"""
        return self.method == "GET" and self.path.count("/") == 3

    def commit(self) -> Answer:
        """Let the request take effect; gives what the world would answer."""
        return self.server.commit(self.exchange)

    def send(self, status: int, headers: Mapping[str, str] = {}, body: bytes = b"") -> None:
        """A whole, well-formed answer."""
        self.exchange.status = status  # before the client can know
        self.raw(head(status, {**headers, **({} if status == 204 else {"Content-Length": str(len(body))})}) + body)

    def raw(self, octets: bytes) -> None:
        """These bytes, whatever they mean."""
        self.answered = True
        self.sock.sendall(octets)

    def close(self) -> None:
        """End the connection after what was sent."""
        self.answered, self.keep = True, False

    def reset(self) -> None:
        """End the connection with an RST."""
        self.close()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def hang(self, seconds: float = 60) -> None:
        """Say nothing until the client hangs up."""
        self.close()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and not self.server.stopping:
            readable, _, _ = select.select([self.sock], [], [], 0.05)
            if readable and self._gone():
                return

    def later(self, seconds: float) -> None:
        """Take effect that many seconds from now, whatever the client does."""
        self.server.later(seconds, self.exchange)

    def kill(self) -> None:
        """SIGKILL the client, and see it dead."""
        self.close()
        victim = self.server.victim
        assert victim is not None, "nobody to kill: set FaultServer.victim"
        victim.kill()
        while not _dead(victim.pid):
            time.sleep(0.005)

    def _gone(self) -> bool:
        try:
            return not self.sock.recv(1, socket.MSG_PEEK)
        except OSError:
            return True


When = Callable[[Hit], bool]
Fault = Callable[[Hit], object]


@dataclass
class Rule:
    when: When
    fault: Fault
    name: str = "fault"
    times: int | None = None
    fired: int = 0


class FaultServer:
    """Serves one world on a port of an address of this machine; `log` is what came in, in order of arrival."""

    def __init__(
        self, world: World, *, tls: ssl.SSLContext | None = None, port: int = 0, address: str = "127.0.0.1"
    ) -> None:
        self.world = world
        self.tls = tls
        self.log: list[Exchange] = []
        self.rules: list[Rule] = []
        self.victim: command.Process | None = None
        self.run = 0
        self.stopping = False
        self.born: dict[int, float] = {}
        self.errors: list[BaseException] = []
        self._lock = threading.RLock()
        self._counts: Counter[str] = Counter()
        self._connections = 0
        self._late: list[threading.Thread] = []
        self.address = address
        self._listener = socket.create_server((address, port), backlog=128)
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.address}:{self.port}"

    def __enter__(self) -> "FaultServer":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.settle()
        self.stopping = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    # ------------------------------------------------------------------------------------------------ what tests do

    def on(self, when: When, fault: Fault, *, times: int | None = None, name: str = "") -> Rule:
        """Add a rule; the first that fits a request has it."""
        rule = Rule(when, fault, name or getattr(fault, "__name__", "fault"), times)
        with self._lock:
            self.rules.append(rule)
        return rule

    def heal(self) -> None:
        """No faults from here on."""
        with self._lock:
            self.rules.clear()

    def settle(self) -> None:
        """Wait for the writes that commit late."""
        for thread in list(self._late):
            thread.join()

    def of_run(self, run: int) -> list[Exchange]:
        with self._lock:
            return [exchange for exchange in self.log if exchange.run == run]

    @property
    def writes(self) -> list[Exchange]:
        with self._lock:
            return [exchange for exchange in self.log if exchange.is_write]

    # ------------------------------------------------------------------------------------------------- what hits do

    def commit(self, exchange: Exchange) -> Answer:
        with self._lock:
            before = self.world._last_id
            answer = self.world.respond(exchange.method, exchange.path, exchange.headers, exchange.body)
            exchange.committed = self.world.log[-1].changed
            for created in range(before + 1, self.world._last_id + 1):
                self.born[created] = time.monotonic()
        return answer

    def later(self, seconds: float, exchange: Exchange) -> None:
        def commit() -> None:
            time.sleep(seconds)
            self.commit(exchange)

        thread = threading.Thread(target=commit, daemon=True)
        self._late.append(thread)
        thread.start()

    # -------------------------------------------------------------------------------------------------- the sockets

    def _accept(self) -> None:
        while not self.stopping:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._connections += 1
            threading.Thread(target=self._serve, args=(sock, self._connections), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            pending = b""
            while not self.stopping:
                request = self._take(sock, number, pending)
                if request is None:
                    return
                hit, pending = request
                self._answer(hit)
                if not hit.keep:
                    return
        except OSError:
            pass  # a client that hangs up
        except BaseException as error:
            self.errors.append(error)
            raise
        finally:
            sock.close()

    def _take(self, sock: socket.socket, number: int, pending: bytes) -> tuple[Hit, bytes] | None:
        """The next request of this connection; None when the client is done."""
        while b"\r\n\r\n" not in pending:
            octets = sock.recv(65536)
            if not octets:
                return None
            pending += octets
        top, _, rest = pending.partition(b"\r\n\r\n")
        first, *lines = top.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        while len(rest) < length:
            octets = sock.recv(65536)
            if not octets:
                return None
            rest += octets
        with self._lock:
            exchange = Exchange(
                len(self.log), self.run, method, path, headers, rest[:length], time.monotonic(), number,
                sock.getpeername()[0],
            )  # fmt: skip
            self.log.append(exchange)
            nth, write = self._counts[method], self._counts["write"] if exchange.is_write else -1
            self._counts[method] += 1
            self._counts["write"] += exchange.is_write
        return Hit(self, exchange, sock, nth, write), rest[length:]

    def _answer(self, hit: Hit) -> None:
        rule = self._rule(hit)
        if rule is not None:
            hit.exchange.fault = rule.name
            rule.fault(hit)
        if not hit.answered:
            try:
                answer = hit.commit()
            except ConnectionError:
                hit.reset()
                return
            hit.send(*answer)

    def _rule(self, hit: Hit) -> Rule | None:
        with self._lock:
            for rule in self.rules:
                if (rule.times is None or rule.fired < rule.times) and rule.when(hit):
                    rule.fired += 1
                    return rule
        return None


# ---------------------------------------------------------------------------------------------------------------- when


def always(hit: Hit) -> bool:
    return True


def lists(hit: Hit) -> bool:
    return hit.lists


def writes(hit: Hit) -> bool:
    return hit.exchange.is_write


def at(index: int) -> When:
    """The request with this index, counted from 0 since the server was started."""
    return lambda hit: hit.index == index


def nth(method: str, number: int) -> When:
    """The n-th request of this method, from 0."""
    return lambda hit: hit.method == method and hit.nth == number


def nth_write(number: int) -> When:
    return lambda hit: hit.write == number


def since(index: int) -> When:
    return lambda hit: hit.index >= index


def nth_to(method: str, path_end: str, number: int) -> When:
    """The n-th request of this method to this path, from 0."""
    numbers: list[int] = []

    def when(hit: Hit) -> bool:
        if hit.method == method and hit.path.endswith(path_end):
            numbers.append(hit.index)
        return hit.index in numbers and numbers.index(hit.index) == number

    return when


def again(rule: Rule) -> When:
    """The next requests that are the same as the one that a rule has hit: its repetitions."""

    def when(hit: Hit) -> bool:
        same = (hit.exchange.line, hit.exchange.body)
        return any(e.fault == rule.name and (e.line, e.body) == same for e in hit.server.log[: hit.index])

    return when


def item(hit: Hit) -> bool:
    """Does it read one object by its id?"""
    return hit.method == "GET" and hit.path.count("/") == 4


def creates(identity: str) -> When:
    """The create of this object."""
    return lambda hit: hit.method == "POST" and identity in hit.exchange.json.values()


def to(method: str, path_end: str = "") -> When:
    return lambda hit: hit.method == method and hit.path.endswith(path_end)


# ------------------------------------------------------------------------------------------- faults: no (clear) answer


def reset_before(hit: Hit) -> None:
    hit.reset()


def reset_after(hit: Hit) -> None:
    hit.commit()
    hit.reset()


def hangup_before(hit: Hit) -> None:
    """A keep-alive connection that the server closes as the request comes in: no RST, no answer."""
    hit.close()


def timeout_before(hit: Hit) -> None:
    hit.hang()


def timeout_after(hit: Hit) -> None:
    hit.commit()
    hit.hang()


def late_commit(seconds: float) -> Fault:
    def fault(hit: Hit) -> None:
        hit.later(seconds)
        hit.hang()

    return fault


def kill_before(hit: Hit) -> None:
    hit.kill()


def kill_after(hit: Hit) -> None:
    hit.commit()
    hit.kill()


def kill_answered(hit: Hit) -> None:
    """The answer is in the client's socket buffer when it dies."""
    hit.send(*hit.commit())
    hit.kill()


def kill_late(seconds: float) -> Fault:
    def fault(hit: Hit) -> None:
        hit.later(seconds)
        hit.kill()

    return fault


# ------------------------------------------------------------------------------------------------- faults: a bad answer


def answer(
    status: int, headers: Mapping[str, str] = JSON, body: bytes = b'{"error": "no"}', *, commit: bool = False
) -> Fault:
    """This answer, with or without having done what was asked."""

    def fault(hit: Hit) -> None:
        if commit:
            hit.commit()
        hit.send(status, headers, body)

    return fault


def page(status: int = 200, *, commit: bool = False, labelled: str = "text/html; charset=utf-8") -> Fault:
    return answer(status, {"Content-Type": labelled}, PAGE, commit=commit)


def throttled(retry_after: str | None, *, status: int = 429, date: str | None = None) -> Fault:
    headers = {**JSON, **({"Retry-After": retry_after} if retry_after is not None else {})}
    return answer(status, {**headers, **({"Date": date} if date else {})}, b'{"error": "slow down"}')


def redirect(status: int, url: str, *, commit: bool = False) -> Fault:
    def fault(hit: Hit) -> None:
        if commit:
            hit.commit()
        hit.send(status, {"Location": url + hit.path})

    return fault


def cut(hit: Hit) -> None:
    """Half of what Content-Length promised."""
    status, headers, body = hit.commit()
    body = body or b'{"id": 1}'
    hit.raw(head(200 if status == 204 else status, {**headers, "Content-Length": str(len(body))}))
    hit.raw(body[: len(body) // 2])
    hit.close()


def cut_close(hit: Hit) -> None:
    """A body that is framed by the end of the connection, which comes too early."""
    status, headers, body = hit.commit()
    body = body or b'{"id": 1}'
    hit.raw(head(200 if status == 204 else status, {**headers, "Connection": "close"}) + body[: len(body) // 2])
    hit.close()


def cut_chunked(hit: Hit) -> None:
    """A chunked body without its last chunk."""
    status, headers, body = hit.commit()
    body = (body or b'{"id": 1}')[:-1]
    hit.raw(head(200 if status == 204 else status, {**headers, "Transfer-Encoding": "chunked"}))
    hit.raw(b"%x\r\n%s\r\n" % (len(body), body))
    hit.close()


def cut_head(hit: Hit) -> None:
    """The connection ends in the middle of the headers."""
    hit.commit()
    hit.raw(b"HTTP/1.1 200 OK\r\nContent-Ty")
    hit.close()


def no_http(hit: Hit) -> None:
    """Something that speaks another protocol."""
    hit.commit()
    hit.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    hit.close()


def drip(pause: float = 0.1, *, headers: bool = False) -> Fault:
    """One byte at a time, from the body on or from the first byte on."""

    def fault(hit: Hit) -> None:
        status, fields, body = hit.commit()
        body += b" " * (400 - len(body))
        top = head(200 if status == 204 else status, {**fields, "Content-Length": str(len(body))})
        octets = top + body if headers else body
        if not headers:
            hit.raw(top)
        hit.close()
        for number in range(len(octets)):
            if hit.server.stopping:
                return
            hit.raw(octets[number : number + 1])
            time.sleep(pause)

    return fault


def gzip_bomb(mebibytes: int = 2048) -> Fault:
    """A body that unpacks to JSON's most patient beginning: white space."""
    block = _deflated_mebibyte()

    def fault(hit: Hit) -> None:
        hit.commit()
        octets = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + block * mebibytes
        hit.close()
        hit.raw(head(200, {**JSON, "Content-Encoding": "gzip", "Content-Length": str(len(octets) + 100)}) + octets)

    return fault


def oversize(mebibytes: int = 2048, *, declared: bool) -> Fault:
    def fault(hit: Hit) -> None:
        hit.commit()
        length = {"Content-Length": str(mebibytes << 20)} if declared else {"Connection": "close"}
        hit.raw(head(200, {**JSON, **length}))
        hit.close()
        for _ in range(mebibytes):
            if hit.server.stopping:
                return
            hit.raw(b" " * (1 << 20))

    return fault


# ---------------------------------------------------------------------------------------- faults: lists that do not tell


def relisted(change: Callable[[list[Row], Hit], Any]) -> Fault:
    """What a list shows is changed; any other request goes its way."""

    def fault(hit: Hit) -> None:
        if hit.lists:
            status, headers, body = hit.commit()
            if status == 200:
                body = json.dumps(change(json.loads(body), hit)).encode()
            hit.send(status, headers, body)

    return fault


def capped(rows: int) -> Fault:
    """A page cap that nobody documented."""
    return relisted(lambda listed, hit: listed[:rows])


def hidden(seconds: float = float("inf"), *, kind: str = "") -> Fault:
    """New rows do not show up in the list, for so long."""

    def shown(row: Row, hit: Hit) -> bool:
        born = hit.server.born.get(row["id"])
        return born is None or not hit.path.endswith(kind) or time.monotonic() - born > seconds

    return relisted(lambda listed, hit: [row for row in listed if shown(row, hit)])


# ---------------------------------------------------------------------------------------- faults: writes that do otherwise


def edits(edit: Callable[[World, Hit], None], *, after: bool = True) -> Fault:
    """The write takes effect and is answered; another change comes with it, right before or after."""

    def fault(hit: Hit) -> None:
        if not after:
            edit(hit.server.world, hit)
        reply = hit.commit()
        if after and hit.exchange.committed:
            edit(hit.server.world, hit)
        hit.send(*reply)

    return fault


def _target(hit: Hit) -> tuple[str, str, int]:
    """Tenant, kind and id of what a write is about; after a POST that is the youngest row."""
    parts = hit.path.split("/")
    rows = hit.server.world.rows(parts[2], parts[3])
    return parts[2], parts[3], int(parts[4]) if len(parts) > 4 else rows[-1]["id"]


@edits
def replaces(world: World, hit: Hit) -> None:
    """A PUT of a charger that clears what was not sent."""
    tenant, kind, row_id = _target(hit)
    if kind == "charger":
        cleared = {"displayName": "", "meterType": None, "chargeBoxSerialNumber": None}
        world.edit(tenant, kind, row_id, **{name: cleared[name] for name in cleared if name not in hit.exchange.json})


@edits
def rewrites(world: World, hit: Hit) -> None:
    """A write that stores another value than it was sent."""
    tenant, kind, row_id = _target(hit)
    sent = hit.exchange.json
    if kind == "cpms":
        world.edit(tenant, kind, row_id, url=sent["url"] + "-stored")
    elif "displayName" in sent:
        world.edit(tenant, kind, row_id, displayName=sent["displayName"] + "-stored")
    else:
        world.edit(tenant, kind, row_id, profileId=sent["profileId"] + 50)


# ----------------------------------------------------------------------------------------------------------- the judges


def duplicates(world: World) -> list[tuple[str, str, str, int]]:
    """G1: every key that is live more than once: tenant, kind, key, how often."""
    duplicated: list[tuple[str, str, str, int]] = []
    for (tenant, kind), _ in list(world._rows.items()):
        counted = Counter(row[KEYS[kind]] for row in world.live(tenant, kind))
        duplicated += [(tenant, kind, key, count) for key, count in counted.items() if count > 1]
    return duplicated


def deletes(log: Iterable[Exchange]) -> set[int]:
    """G3: the ids that a DELETE was sent for."""
    return {int(exchange.path.rpartition("/")[2]) for exchange in log if exchange.method == "DELETE"}


def disguises(secret: str) -> set[bytes]:
    """A secret, and the ways in which it might be written down."""
    plain = secret.encode()
    shifted = {base64.b64encode(b"x" * by + plain)[4 if by else 0 : -4] for by in range(3)}
    return {plain, quote(secret, safe="").encode(), plain.hex().encode(), *(s for s in shifted if len(s) > 8)}


def token_leaks(secrets: Iterable[str], folders: Iterable[Path], outputs: Mapping[str, bytes]) -> list[str]:
    """G9: where a secret stands: files of these folders (any that is not called token*), and what was printed."""
    marks = {mark for secret in secrets for mark in disguises(secret)}
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    texts = {str(path): path.read_bytes() for path in files if not path.name.startswith("token")}
    return [place for place, octets in {**texts, **outputs}.items() if any(mark in octets for mark in marks)]


def misplaced_tokens(token: str, log: Iterable[Exchange]) -> list[str]:
    """G9 on the wire: the token stands in the Authorization header and nowhere else."""
    wrong = []
    for exchange in log:
        rest = {name: value for name, value in exchange.headers.items() if name != "authorization"}
        if token in exchange.path or token.encode() in exchange.body or token in str(rest):
            wrong.append(exchange.line)
    return wrong


# --------------------------------------------------------------------------------------------------------------- octets


def head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Told"] + [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _deflated_mebibyte() -> bytes:
    """One MiB of spaces as a piece of a raw deflate stream that may be repeated at will."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(b" " * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)


def _dead(pid: int) -> bool:
    """Gone, or a zombie that its parent has not collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (OSError, IndexError):
        return True


@contextlib.contextmanager
def serving(world: World, **options: Any) -> Iterator[FaultServer]:
    with FaultServer(world, **options) as server:
        yield server
