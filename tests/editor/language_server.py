"""yaml-language-server as a process, asked over LSP what an editor would ask. Standard library only."""

import contextlib
import itertools
import json
import subprocess
import threading
from pathlib import Path
from typing import Any


class Silent(Exception):
    """The server did not answer in time, or has ended."""


class LanguageServer:
    """One server for one folder. `schema` is mapped to every YAML file of the folder, as an editor's settings do it.

    Times are in seconds. Lines and columns are 1-based here, as in diagnostics of the tool; LSP counts from 0.
    """

    def __init__(self, command: list[str], folder: Path, schema: Path, *, patience: float = 30.0) -> None:
        self._patience = patience
        self._settings = {
            "yaml": {
                "validate": True,
                "hover": True,
                "completion": True,
                "schemaStore": {"enable": False},
                "schemas": {schema.resolve().as_uri(): ["*.yaml"]},
            },
            "http": {"proxyStrictSSL": False},
            "[yaml]": {"editor.tabSize": 2},
        }
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder
        )
        self._numbers = itertools.count(1)
        self._news = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._published: dict[str, list[list[dict[str, Any]]]] = {}
        self._ended = False
        threading.Thread(target=self._listen, daemon=True).start()
        self._begin(folder)

    def __enter__(self) -> "LanguageServer":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Silent, OSError):
            self._ask("shutdown", None)
            self._tell("exit", None)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    # --------------------------------------------------------------------------------------------------- what one asks

    def open(self, path: Path, text: str | None = None) -> str:
        """Open a file, or another text in its place; its URI."""
        uri = path.resolve().as_uri()
        text = path.read_bytes().decode("utf-8-sig") if text is None else text
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        with self._news:
            self._published.pop(uri, None)
        self._tell("textDocument/didOpen", {"textDocument": document})
        return uri

    def close(self, uri: str) -> None:
        """Close a file: it may be opened with another text."""
        self._tell("textDocument/didClose", {"textDocument": {"uri": uri}})

    def diagnostics(self, uri: str) -> list[dict[str, Any]]:
        """What the editor underlines: the first diagnostics that come after a file was opened."""
        with self._news:
            if not self._news.wait_for(lambda: self._ended or self._published.get(uri), self._patience):
                raise Silent(f"no diagnostics for {uri}")
            if self._ended:
                raise Silent("the server has ended")
            return self._published[uri][-1]

    def hover(self, uri: str, line: int, column: int) -> str:
        """The text that hovers over a place; empty where there is none."""
        contents = (self._ask("textDocument/hover", _at(uri, line, column)) or {}).get("contents") or ""
        return str(contents["value"]) if isinstance(contents, dict) else str(contents)

    def completion(self, uri: str, line: int, column: int) -> list[dict[str, Any]]:
        """What the editor offers at a place: LSP's completion items."""
        items = self._ask("textDocument/completion", _at(uri, line, column)) or []
        return list(items["items"] if isinstance(items, dict) else items)

    # ---------------------------------------------------------------------------------------------------- the protocol

    def _begin(self, folder: Path) -> None:
        uri = folder.resolve().as_uri()
        can = {
            "workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}},
            "textDocument": {
                "completion": {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown"]}},
                "hover": {"contentFormat": ["markdown"]},
                "publishDiagnostics": {},
            },
        }
        folders = [{"uri": uri, "name": "corpus"}]
        self._ask("initialize", {"processId": None, "rootUri": uri, "workspaceFolders": folders, "capabilities": can})
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": self._settings})

    def _ask(self, method: str, parameters: Any) -> Any:
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": parameters})
        with self._news:
            if not self._news.wait_for(lambda: self._ended or number in self._answers, self._patience):
                raise Silent(f"no answer to {method}")
            if number not in self._answers:
                raise Silent(f"the server ended before it answered {method}")
            answer = self._answers.pop(number)
        if "error" in answer:
            raise Silent(f"{method}: {answer['error']}")
        return answer.get("result")

    def _tell(self, method: str, parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stream = self._process.stdin
        assert stream is not None
        with self._news:
            stream.write(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            stream.flush()

    def _listen(self) -> None:
        while (message := self._receive()) is not None:
            if "method" in message and "id" in message:
                self._send({"id": message["id"], "result": self._configuration(message)})
                continue
            with self._news:
                if message.get("method") == "textDocument/publishDiagnostics":
                    parameters = message["params"]
                    self._published.setdefault(parameters["uri"], []).append(parameters["diagnostics"])
                elif "id" in message:
                    self._answers[message["id"]] = message
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _receive(self) -> dict[str, Any] | None:
        stream = self._process.stdout
        assert stream is not None
        length = 0
        while True:
            header = stream.readline()
            if not header:
                return None
            if header == b"\r\n":
                break
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        received: dict[str, Any] = json.loads(stream.read(length))
        return received

    def _configuration(self, request: dict[str, Any]) -> Any:
        if request["method"] != "workspace/configuration":
            return None
        return [self._settings.get(item.get("section", ""), {}) for item in request["params"]["items"]]


def _at(uri: str, line: int, column: int) -> dict[str, Any]:
    return {"textDocument": {"uri": uri}, "position": {"line": line - 1, "character": column - 1}}
