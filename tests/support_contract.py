"""An independent judge of every request: openapi-core around the transport, content type included.

The tool reads the same OpenAPI file with its own few lines of code; a wrong reading of it shows up here. Answers are not
judged: the world answers, on purpose, what no description promises.
"""

import threading
from pathlib import Path

import httpx
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from ruamel.yaml import YAML
from werkzeug.datastructures import Headers, ImmutableMultiDict

BUNDLED = Path(__file__).parent.parent / "schemas" / "exolink-api.openapi.yaml"


class _Request:
    """An httpx request as openapi-core wants to see it, addressed to the server that the description names."""

    def __init__(self, server: str, request: httpx.Request, body: bytes) -> None:
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        self.host_url = server
        self.path = path
        self.full_url_pattern = server + path
        self.method = request.method.lower()
        self.body = body or None
        self.content_type = request.headers.get("content-type", "")
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(pair.partition("=")[::2] for pair in query.split("&") if "=" in pair),
            header=Headers(list(request.headers.items())),
            cookie=ImmutableMultiDict(),
            path={},
        )


class Judge:
    """What a description says about each request that passed by; `broken` is empty as long as all is well."""

    def __init__(self, text: str) -> None:
        loaded = YAML(typ="safe").load(text)
        self.server = loaded["servers"][0]["url"]
        self.api = OpenAPI.from_dict(loaded)
        self.broken: list[str] = []
        self.seen = 0
        self._known: dict[tuple[str, str, str, str, bytes], str] = {}
        self._lock = threading.Lock()

    def check(self, request: httpx.Request, body: bytes) -> None:
        """Note it when a request breaks the description."""
        headers = request.headers.get("authorization", ""), request.headers.get("content-type", "")
        place = (request.method, request.url.raw_path.decode("ascii"), *headers, body)
        with self._lock:
            self.seen += 1
            if place not in self._known:
                self._known[place] = self._verdict(request, body)
            if self._known[place]:
                self.broken.append(f"{request.method} {request.url.path}: {self._known[place]}")

    def _verdict(self, request: httpx.Request, body: bytes) -> str:
        if body and request.method in ("GET", "DELETE"):
            return "a body where none belongs"
        try:
            self.api.validate_request(_Request(self.server, request, body))
        except OpenAPIError as error:
            cause = error.__cause__ or error
            return "; ".join(each.message for each in getattr(cause, "schema_errors", ())) or str(cause)
        return ""

    def wrap(self, inner: httpx.BaseTransport) -> httpx.BaseTransport:
        """`inner`, with this judge in front of it."""
        judge = self

        class Transport(httpx.BaseTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                judge.check(request, request.read())
                return inner.handle_request(request)

            def close(self) -> None:
                inner.close()

        return Transport()
