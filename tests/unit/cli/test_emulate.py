"""What `emulate` refuses, and the command that it prints to be typed."""

from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from exolink_reconcile import emulator
from exolink_reconcile.cli.commands.emulate import emulate
from exolink_reconcile.errors import InputError


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command as if something listened at once; gives what it said."""
    monkeypatch.setattr(emulator, "application", lambda *args, **options: None)
    monkeypatch.setattr(emulator, "serve", lambda app, host, port, *, ready: ready(host, port))

    def invoke(*args: str, **env: str) -> str:
        result: Result = CliRunner().invoke(emulate, args, env=env, catch_exceptions=False, standalone_mode=False)
        return result.output + "".join(capsys.readouterr())

    return invoke


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.7", "example.com", "::"])
def test_row_E26_the_known_token_stays_at_home(host: str, run: Any) -> None:
    """Where other machines can reach it, the default token, which everybody knows, is refused however it is given."""
    for args in ((), ("--token", "dev")):
        with pytest.raises(InputError) as caught:
            run("--listen", f"{host}:8480", *args)
        assert caught.value.exit_code == 3 and "--token" in caught.value.summary
    run("--listen", f"{host}:8480", "--token", "own")


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1:1", "http://127.0.0.1:1"), ("[::1]:1", "http://[::1]:1"), ("::1:1", "http://[::1]:1"),
        ("0.0.0.0:1", "http://127.0.0.1:1"), ("[::]:1", "http://[::1]:1"), ("localhost:1", "http://localhost:1"),
    ],
)  # fmt: skip
def test_row_D8_the_command_works(listen: str, url: str, run: Any) -> None:
    """The command to try it goes to an address that plan takes and that leads here, with the token that was given."""
    result = run("--listen", listen, "--token", "a b")
    assert f"Try: EXOLINK_TOKEN='a b' exolink-reconcile plan --api-url {url}\n" in result
    assert "0.0.0.0:1," in result if listen.startswith("0") else url in result


def test_row_D8_no_command_that_cannot_work(run: Any) -> None:
    """plan takes http:// for loopback only, so none is printed for another address."""
    result = run("--listen", "192.0.2.7:1", "--token", "own")
    assert "Try:" not in result and "TLS" in result


def test_a_token_of_the_environment_is_not_shown(run: Any) -> None:
    """It may be a real one; the environment has it already."""
    result = run("--listen", "127.0.0.1:1", EXOLINK_TOKEN="real")
    assert "Try: exolink-reconcile plan --api-url http://127.0.0.1:1\n" in result and "real" not in result


@pytest.mark.parametrize("listen", ["8480", ":8480", "h:", "h:99999", "h:٨", "h:1e3"])
def test_where_nothing_can_listen(listen: str, run: Any) -> None:
    """An address that is none is refused."""
    with pytest.raises(InputError, match="E-LISTEN"):
        run("--listen", listen)


@pytest.mark.parametrize("tenant", ["a/b", "..", "", "-x", "a b", "a%2Fb", "\x1b[2J"])
def test_a_tenant_that_no_path_can_name(tenant: str, run: Any) -> None:
    """Refused at the start: the emulator would say 404 to every request for it."""
    with pytest.raises((InputError, click.BadParameter)):
        run("--tenant", "acme", "--tenant", tenant)
