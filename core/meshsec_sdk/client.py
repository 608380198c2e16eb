"""A typed client of one chain. Synchronous; runs over HTTP, or over any transport that answers the same paths."""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.runtime.module import Msg
from meshsec_sdk.errors import OutcomeUnknown, TxRejected
from meshsec_sdk.problems import TX_NOT_FOUND
from meshsec_sdk.transport import HttpTransport, Transport, refusal

NO_STREAM = "client/no-stream"


class Status(msgspec.Struct, frozen=True):
    """Where a chain stands."""

    chain_id: str
    name: str
    prefix: str
    denom: str
    height: int
    time: int
    """Header time of the last block, nanoseconds."""
    app_hash: str
    """Root of the state after `height`, lower hex."""
    block_hash: str
    validators_hash: str
    block_mode: str
    generation: str
    ready: bool
    reasons: tuple[str, ...]


class Event(msgspec.Struct, frozen=True):
    """Something that happened."""

    type: str
    attributes: dict[str, str]


class Receipt(msgspec.Struct, frozen=True):
    """What became of a transaction that is in a block."""

    hash: str
    height: int
    index: int
    signer: str
    msgs: tuple[str, ...]
    code: str
    """Empty if all messages took effect."""
    facts: dict[str, str]
    gas_used: int
    events: tuple[Event, ...]

    def require(self) -> "Receipt":
        """Return the receipt of a transaction that took effect.

        Raises:
            TxRejected: it did not.
        """
        if self.code:
            raise TxRejected(self.code, self.facts)
        return self


class Account(msgspec.Struct, frozen=True):
    """An account."""

    address: str
    sequence: int
    next_sequence: int
    """What the next transaction must carry, behind those that wait."""
    balances: dict[str, int]


class Validator(msgspec.Struct, frozen=True):
    """A member of a validator set."""

    address: str
    public_key: bytes
    name: str
    operator: str | None
    power: int
    priority: int
    native: int | None
    virtual: dict[str, int] | None
    """Power lent, by link."""


class Proven(msgspec.Struct, frozen=True):
    """A value of the state after a height."""

    path: str
    height: int
    value: bytes | None
    proof: bytes | None
    """Two-level ICS-23 proof against the app hash in the header of `proof_height`."""
    proof_height: int


class Batch(msgspec.Struct, frozen=True):
    """What became of many transactions at the door."""

    accepted: tuple[str, ...]
    refused: tuple[dict[str, Any], ...]


class Client:
    """One chain. Use it as a context manager, or close it."""

    def __init__(self, chain: str | Transport) -> None:
        """Prepare; nothing is sent yet.

        Args:
            chain: a URL such as `http://127.0.0.1:26657`, or a transport.
        """
        self.transport: Transport = HttpTransport(chain) if isinstance(chain, str) else chain

    # any path

    def get(self, path: str, **query: str | int) -> Any:
        """Return the parsed answer of a GET.

        Raises:
            Rejected: with the code that was answered, or `client/unreachable`.
        """
        status, answer = self.transport.get(path + ("?" + urlencode(query) if query else ""))
        if status >= 300:
            raise refusal(answer)
        return answer

    def post(self, path: str, body: Any) -> Any:
        """Return the parsed answer of a POST.

        Raises:
            Rejected: with the code that was answered, or `client/unreachable`.
            OutcomeUnknown: no answer came.
        """
        status, answer = self.transport.post(path, body)
        if status >= 300:
            raise refusal(answer)
        return answer

    # views

    def status(self) -> Status:
        """Return where the chain stands."""
        return codec.convert(self.get("/v1/status"), Status)

    def account(self, address: str) -> Account:
        """Return an account, by address or development name."""
        return codec.convert(self.get(f"/v1/accounts/{quote(address, safe='')}"), Account)

    def balance(self, address: str, denom: str | None = None) -> int:
        """Return what an account holds of a denomination, by default the chain's own, in base units."""
        held = self.account(address).balances
        return held.get(self.status().denom if denom is None else denom, 0)

    def validators(self, height: int | None = None) -> tuple[Validator, ...]:
        """Return the set that votes on a height."""
        answer = self.get("/v1/validators", **({} if height is None else {"height": height}))
        return codec.convert(answer["validators"], tuple[Validator, ...])

    def block(self, height: int | str = "latest") -> Any:
        """Return a block as JSON."""
        return self.get(f"/v1/blocks/{height}")

    def query(self, name: str, **parameters: str | int) -> Any:
        """Return the answer of a typed query such as `staking/validators` as JSON."""
        return self.get(f"/v1/query/{name}", **parameters)

    def state(self, path: str, height: int | None = None, *, prove: bool = False) -> Proven:
        """Return the value at a path after a height."""
        asked: dict[str, str | int] = {"prove": "true"} if prove else {}
        if height is not None:
            asked["height"] = height
        return codec.convert(self.get(f"/v1/state/{quote(path)}", **asked), Proven)

    # transactions

    def submit(self, raw: bytes) -> str:
        """Submit a signed transaction without waiting for a block; return its hash.

        Raises:
            TxRejected: refused at the door.
            OutcomeUnknown: no answer came.
        """
        return str(self._tell("/v1/txs", raw)["hash"])

    def include(self, raw: bytes) -> Receipt:
        """Submit a signed transaction and wait for the block; return its receipt, also if it took no effect.

        Raises:
            TxRejected: refused at the door.
            OutcomeUnknown: no answer, or no block in time; ask for the receipt.
        """
        return _included(self._tell("/v1/txs?wait=commit", raw))

    def submit_batch(self, raws: list[bytes]) -> Batch:
        """Submit many signed transactions without waiting."""
        return codec.convert(self.post("/v1/txs/batch", b'{"txs":[' + b",".join(raws) + b"]}"), Batch)

    def send_as(self, user: str, *msgs: Msg | dict[str, Any]) -> Receipt:
        """Have messages signed by a development key of the chain's process; return the receipt.

        Raises:
            TxRejected: refused, or included without effect.
            OutcomeUnknown: no answer, or no block in time.
        """
        return _included(self._tell("/v1/dev/send", {"from": user, "msgs": [codec.plain(msg) for msg in msgs]}))

    def _tell(self, path: str, body: Any) -> Any:
        try:
            return self.post(path, body)
        except Rejected as refused:
            raise TxRejected(refused.code, refused.texts) from None

    def receipt(self, tx_hash: str) -> Receipt | None:
        """Return the receipt of a transaction, or None while no block includes it."""
        try:
            return codec.convert(self.get(f"/v1/txs/{tx_hash}"), Receipt)
        except Rejected as refused:
            if refused.code == TX_NOT_FOUND:
                return None
            raise

    # orders of a development chain

    def mine(self, blocks: int = 1) -> int:
        """Make blocks now; return the height."""
        return int(self.post("/v1/dev/mine", {"blocks": blocks})["height"])

    def fault(self, kind: str, validator: str, **parameters: str | int) -> None:
        """Make a validator misbehave: a kind of fault and what it takes, such as `delay="500ms"` for `slow`."""
        self.post("/v1/dev/fault", {"kind": kind, "validator": validator, **parameters})

    def partition(self, *groups: Sequence[str]) -> None:
        """Let messages pass only inside groups of validators; whoever is in none forms a last group."""
        self.post("/v1/dev/partition", {"groups": [list(group) for group in groups]})

    def heal(self, validator: str | None = None) -> None:
        """End the faults of one validator, or of all."""
        self.post("/v1/dev/heal", {"validator": validator})

    def events(self, since: str | int | None = None) -> Iterator[tuple[str, str, Any]]:
        """Yield (id, type, JSON) of everything that happens behind an id or a height, without end.

        Raises:
            Rejected: `client/unreachable` when the stream breaks; go on with the last id.
        """
        if not isinstance(self.transport, HttpTransport):
            raise Rejected(NO_STREAM)
        fields: dict[str, str] = {}
        for line in self.transport.lines("/v1/events" + ("" if since is None else f"?since={since}")):
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
            elif not line and "data" in fields:
                yield fields.get("id", ""), fields.get("event", ""), msgspec.json.decode(fields["data"])
                fields = {}

    def close(self) -> None:
        """Let go of the connections."""
        if isinstance(self.transport, HttpTransport):
            self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _included(answer: Any) -> Receipt:
    if "code" not in answer:
        raise OutcomeUnknown(f"no block has included {answer['hash']} yet")
    return codec.convert(answer, Receipt)
