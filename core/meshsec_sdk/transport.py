"""Requests over sockets, in the shape that simulations serve without: `get` and `post` return (status, parsed JSON)."""

from collections.abc import Iterator
from typing import Any, Protocol

import httpx

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.errors import OutcomeUnknown
from meshsec_sdk.token import bearer

UNREACHABLE = "client/unreachable"
BAD_ANSWER = "client/bad-answer"


class Transport(Protocol):
    """A chain's HTTP interface, over sockets or without."""

    def get(self, path: str) -> tuple[int, Any]:
        """Return (status, parsed JSON)."""

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Send JSON, as bytes or as a value; return (status, parsed JSON)."""


class HttpTransport:
    """A chain behind a URL. It shows the token that the environment holds, if any."""

    def __init__(self, url: str, seconds: float = 60.0) -> None:
        """Prepare; nothing is sent yet.

        Args:
            url: such as `http://127.0.0.1:26657` or, behind a gateway, `http://127.0.0.1:8000/chains/osmosis`.
            seconds: longest wait for an answer.
        """
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            timeout=httpx.Timeout(seconds, connect=5.0), verify=self.url.startswith("https:"), headers=bearer()
        )

    def get(self, path: str) -> tuple[int, Any]:
        """Ask.

        Raises:
            Rejected: `client/unreachable`, `client/bad-answer`.
        """
        try:
            return self._parsed(self._http.get(self.url + path))
        except httpx.HTTPError as error:
            raise Rejected(UNREACHABLE, url=self.url + path, reason=str(error) or type(error).__name__) from None

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Tell.

        Raises:
            Rejected: `client/unreachable` if nothing was sent, `client/bad-answer`.
            OutcomeUnknown: the connection broke, or no answer came in time.
        """
        content = body if isinstance(body, bytes) else codec.encode(body)
        try:
            return self._parsed(self._http.post(self.url + path, content=content, headers={"content-type": "application/json"}))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            raise Rejected(UNREACHABLE, url=self.url + path, reason=str(error) or type(error).__name__) from None
        except httpx.HTTPError as error:
            raise OutcomeUnknown(f"{self.url}{path}: {error or type(error).__name__}") from None

    def delete(self, path: str) -> tuple[int, Any]:
        """Have something deleted.

        Raises:
            Rejected: `client/unreachable`, `client/bad-answer`.
        """
        try:
            return self._parsed(self._http.delete(self.url + path))
        except httpx.HTTPError as error:
            raise Rejected(UNREACHABLE, url=self.url + path, reason=str(error) or type(error).__name__) from None

    def lines(self, path: str) -> Iterator[str]:
        """Yield the lines of an answer as they come; it may have no end.

        Raises:
            Rejected: `client/unreachable`, also when the stream breaks; or the problem that was answered.
        """
        try:
            with self._http.stream("GET", self.url + path, timeout=httpx.Timeout(5.0, read=None)) as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise refusal(self._parsed(answer)[1])
                yield from answer.iter_lines()
        except httpx.HTTPError as error:
            raise Rejected(UNREACHABLE, url=self.url + path, reason=str(error) or type(error).__name__) from None

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def _parsed(self, answer: httpx.Response) -> tuple[int, Any]:
        try:
            return answer.status_code, answer.json()
        except (ValueError, RecursionError):
            raise Rejected(BAD_ANSWER, url=str(answer.url), status=answer.status_code, text=answer.text[:100]) from None


def refusal(problem: Any) -> Rejected:
    """Turn an answered problem back into a refusal; `client/bad-answer` if it is none."""
    match problem:
        case {"code": str(code), "facts": dict(facts)}:
            return Rejected(code, **{str(name): str(value) for name, value in facts.items()})
        case _:
            return Rejected(BAD_ANSWER, text=str(problem)[:100])
