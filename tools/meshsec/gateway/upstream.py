"""The chains and relayers behind a gateway: asked for JSON, or given a request to answer as it came.

A process that does not answer is told apart from one that refuses: `gateway/unreachable-chain` says that nothing was done,
`gateway/broken-answer` that something may have been.
"""

from collections.abc import Mapping
from typing import TypeVar

import httpx
import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.token import bearer
from meshsec_sdk.transport import refusal

UNKNOWN_CHAIN = "gateway/unknown-chain"
UNKNOWN_RELAYER = "gateway/unknown-relayer"
UNREACHABLE_CHAIN = "gateway/unreachable-chain"
UNREACHABLE_RELAYER = "gateway/unreachable-relayer"
BROKEN_ANSWER = "gateway/broken-answer"

CONNECT_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
"""Longest silence of an upstream while an answer is due; streams of events say something more often."""
GLANCE_SECONDS = 2.0
"""How long the gateway's own looks wait: a process that is away must not make the whole mesh look dead."""
SILENT_SECONDS = 0.3
"""And how long while the last look was in vain."""

_REPEATABLE = ("GET", "HEAD")
"""Methods that may be sent again when a connection breaks: a process that was restarted drops those that were kept open."""

T = TypeVar("T")


class Upstream:
    """One chain or relayer."""

    def __init__(self, kind: str, name: str, url: str, http: httpx.AsyncClient) -> None:
        self.kind = kind
        """`chain` or `relayer`."""
        self.name = name
        self.url = url.rstrip("/")
        self._http = http
        self._answers = True

    def silent(self, reason: str) -> Rejected:
        """Return the refusal that says that nobody answers."""
        facts = {self.kind: self.name, "reason": reason}
        return Rejected(UNREACHABLE_CHAIN if self.kind == "chain" else UNREACHABLE_RELAYER, **facts)

    async def open(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, seconds: float = PATIENCE_SECONDS
    ) -> httpx.Response:
        """Send a request as it is; return the answer with its body still to be read.

        Args:
            method: HTTP method.
            target: path and query, percent-encoded.
            headers: all that are sent, but for those that describe the connection.
            body: all of it.
            seconds: longest silence.

        Raises:
            Rejected: `gateway/unreachable-chain` or `-relayer` if nothing was sent; `gateway/broken-answer` if no answer came.
        """
        limits = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        request = httpx.Request(
            method, self.url + target, headers=dict(headers), content=body or None, extensions={"timeout": limits.as_dict()}
        )
        try:
            try:
                return await self._http.send(request, stream=True)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                if method not in _REPEATABLE:
                    raise
                return await self._http.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise self.silent(f"nobody listens at {self.url}") from None
        except httpx.HTTPError as error:
            raise self.broken(error, seconds) from None

    async def whole(self, answer: httpx.Response, seconds: float = PATIENCE_SECONDS) -> bytes:
        """Read the body of an answer as it was sent, and let go of the connection.

        Raises:
            Rejected: `gateway/broken-answer`.
        """
        try:
            return b"".join([piece async for piece in answer.aiter_raw()])
        except httpx.HTTPError as error:
            raise self.broken(error, seconds) from None
        finally:
            await answer.aclose()

    def broken(self, error: httpx.HTTPError, seconds: float = PATIENCE_SECONDS) -> Rejected:
        """Return the refusal that says that an answer did not come or broke off."""
        late = isinstance(error, httpx.TimeoutException)
        reason = f"no answer in {seconds:g} s" if late else "the connection broke"
        return Rejected(BROKEN_ANSWER, **{self.kind: self.name, "reason": reason})

    async def exchange(self, method: str, path: str, body: bytes = b"", seconds: float | None = None) -> tuple[int, bytes]:
        """Return (status, body) of an answer.

        Args:
            method: HTTP method.
            path: path and query, percent-encoded.
            body: JSON.
            seconds: longest silence; by default as long as a look may take.

        Raises:
            Rejected: as `open`.
        """
        patience = seconds or (GLANCE_SECONDS if self._answers else SILENT_SECONDS)
        try:
            headers = {**bearer(), **({"content-type": "application/json"} if body else {})}
            answer = await self.open(method, path, headers, body, patience)
            whole = await self.whole(answer, patience)
        except Rejected:
            self._answers = False
            raise
        self._answers = True
        return answer.status_code, whole

    async def get(self, path: str, kind: type[T], seconds: float | None = None) -> T:
        """Ask.

        Raises:
            Rejected: what was answered, or as `open`.
        """
        return self._read(*await self.exchange("GET", path, b"", seconds), kind)

    async def post(self, path: str, body: object, kind: type[T], seconds: float | None = None) -> T:
        """Tell.

        Raises:
            Rejected: what was answered, or as `open`.
        """
        return self._read(*await self.exchange("POST", path, codec.encode(body), seconds), kind)

    def _read(self, status: int, raw: bytes, kind: type[T]) -> T:
        try:
            if status >= 300:
                raise refusal(msgspec.json.decode(raw))
            return codec.load(raw, kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Rejected(BROKEN_ANSWER, **{self.kind: self.name, "reason": f"status {status}: {error}"[:200]}) from None
