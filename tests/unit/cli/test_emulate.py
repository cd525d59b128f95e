"""What `emulate` refuses, and the command that it prints to be typed."""

import pytest
from support_cli import Run

from exolink_reconcile import emulator


@pytest.fixture
def emulate(bare: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command as if something listened at once."""
    monkeypatch.setattr(emulator, "application", lambda *args, **options: None)
    monkeypatch.setattr(emulator, "serve", lambda app, host, port, *, ready: ready(host, port))
    return lambda *arguments: bare("emulate", *arguments)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.7", "example.com", "::"])
def test_row_E26_the_known_token_stays_at_home(host: str, emulate: Run) -> None:
    """Where other machines can reach it, the default token, which everybody knows, is refused however it is given."""
    for args in ((), ("--token", "dev")):
        code, _, err = emulate("--listen", f"{host}:8480", *args)
        assert code == 3 and "--token" in err
    assert emulate("--listen", f"{host}:8480", "--token", "own").code == 0


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1:1", "http://127.0.0.1:1"),
        ("[::1]:1", "http://[::1]:1"),
        ("::1:1", "http://[::1]:1"),
        ("0.0.0.0:1", "http://127.0.0.1:1"),
        ("[::]:1", "http://[::1]:1"),
        ("localhost:1", "http://localhost:1"),
    ],
)
def test_row_D8_the_command_works(listen: str, url: str, emulate: Run) -> None:
    """The command to try it goes to an address that plan takes and that leads here, with the token that was given."""
    _, _, err = emulate("--listen", listen, "--token", "a b")
    assert f"Try: EXOLINK_TOKEN='a b' exolink-reconcile plan --api-url {url}\n" in err
    assert "0.0.0.0:1," in err if listen.startswith("0") else url in err


def test_row_D8_no_command_that_cannot_work(emulate: Run) -> None:
    """plan takes http:// for loopback only, so none is printed for another address."""
    _, _, err = emulate("--listen", "192.0.2.7:1", "--token", "own")
    assert "Try:" not in err and "TLS" in err


def test_a_token_of_the_environment_is_not_shown(emulate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a real one; the environment has it already."""
    monkeypatch.setenv("EXOLINK_TOKEN", "real")
    _, _, err = emulate("--listen", "127.0.0.1:1")
    assert "Try: exolink-reconcile plan --api-url http://127.0.0.1:1\n" in err and "real" not in err


@pytest.mark.parametrize("listen", ["8480", ":8480", "h:", "h:99999", "h:٨", "h:1e3"])
def test_where_nothing_can_listen(listen: str, emulate: Run) -> None:
    """What is not an address is refused."""
    code, _, err = emulate("--listen", listen)
    assert code == 3 and "E-LISTEN" in err


@pytest.mark.parametrize("tenant", ["a/b", "..", "", "-x", "a b", "a%2Fb", "\x1b[2J"])
def test_a_tenant_that_no_path_can_name(tenant: str, emulate: Run) -> None:
    """Refused at the start: the emulator would say 404 to every request for it."""
    assert emulate("--tenant", "acme", "--tenant", tenant).code == 3
