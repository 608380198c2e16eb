"""A typed client of one chain. Synchronous; runs over HTTP, or over any transport that answers the same paths."""

import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.errors import Rejected
from meshsec_core.modules.bank import BALANCES
from meshsec_core.replica.mempool import KNOWN
from meshsec_core.runtime.module import Msg
from meshsec_sdk.errors import OutcomeUnknown, TxRejected
from meshsec_sdk.light import Anchor, LightClient, Proven, Trust
from meshsec_sdk.problems import TX_NOT_FOUND
from meshsec_sdk.transport import UNREACHABLE, HttpTransport, Transport, refusal

NO_STREAM = "client/no-stream"
NO_TRUST = "client/no-trust"

LOOK_SECONDS = 0.05
"""Between two looks for a receipt."""


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
    faults: tuple[str, ...]
    """What has been broken on purpose, such as `slow: val-0, val-2`."""


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


class Batch(msgspec.Struct, frozen=True):
    """What became of many transactions at the door."""

    accepted: tuple[str, ...]
    refused: tuple[dict[str, Any], ...]


class Client:
    """One chain. Use it as a context manager, or close it."""

    def __init__(self, chain: str | Transport, trust: Trust | None = None) -> None:
        """Prepare; nothing is sent yet.

        Args:
            chain: a URL such as `http://127.0.0.1:26657`, or a transport.
            trust: what answers are verified by when that is asked for; see `anchor`.
        """
        self.transport: Transport = HttpTransport(chain) if isinstance(chain, str) else chain
        self._light = None if trust is None else LightClient(self, trust)

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

    def balance(self, address: str, denom: str | None = None, *, verify: bool = False) -> int:
        """Return what an account holds of a denomination, by default the chain's own, in base units.

        Raises:
            Rejected: if it is to be verified, as `state`; the account is then named by its address.
        """
        coin = self.status().denom if denom is None else denom
        if verify:
            found = self.state(BALANCES.key(address, coin), verify=True).value
            return 0 if found is None else codec.load(found, int)
        return self.account(address).balances.get(coin, 0)

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

    def state(self, path: str, height: int | None = None, *, prove: bool = False, verify: bool = False) -> Proven:
        """Return the value at a path after a height; on request with a proof, or only if the proof verifies.

        Raises:
            Rejected: `client/no-trust` if it is to be verified and the client has nothing to trust; `light/…`, `proof/…` if the
                node lies.
        """
        asked: dict[str, str | int] = {"prove": "true"} if prove or verify else {}
        if height is not None:
            asked["height"] = height
        if verify and self._light is None:
            raise Rejected(NO_TRUST, path=path[:100], hint="Client(url, trust=Trust(anchor))")
        found = codec.convert(self.get(f"/v1/state/{quote(path)}", **asked), Proven)
        if verify and self._light is not None:
            self._light.check(path, height, found)
        return found

    def anchor(self, height: int | None = None) -> Anchor:
        """Return a header as the node tells of it, the last one by default: to be trusted once others have said the same."""
        status = self.status()
        number = status.height if height is None else height
        return Anchor(status.chain_id, number, str(self.block(number)["hash"]))

    # transactions

    def submit(self, raw: bytes) -> str:
        """Submit a signed transaction without waiting for a block; return its hash.

        Raises:
            TxRejected: refused at the door.
            OutcomeUnknown: no answer came.
        """
        return str(self._tell("/v1/txs", raw, raw)["hash"])

    def include(self, raw: bytes) -> Receipt:
        """Submit a signed transaction and wait for the block; return its receipt, also if it took no effect.

        Raises:
            TxRejected: refused at the door.
            OutcomeUnknown: no answer, or no block in time; `resolve` finds out.
        """
        return _included(self._tell("/v1/txs?wait=commit", raw, raw), raw)

    def resolve(self, unknown: OutcomeUnknown, seconds: float = 60.0) -> Receipt:
        """Find out what became of a transaction: look for its receipt, and send the same bytes again while there is none.

        A transaction that a chain's process signed is only looked for. May be called again; nothing is ever done twice.

        Raises:
            TxRejected: it is in no block and is refused now, so that it will be in none: its sequence is used by another.
            OutcomeUnknown: nobody could tell in so many seconds.
            ValueError: nothing that was sent names a transaction.
        """
        if not unknown.tx_hash:
            raise ValueError("no transaction was sent, or its hash is not known")
        deadline = time.monotonic() + seconds
        while True:
            try:
                found = self.receipt(unknown.tx_hash)
                if found is not None:
                    return found
                if unknown.raw:
                    return self.include(unknown.raw)
            except TxRejected as refused:
                if refused.code != KNOWN:
                    found = self.receipt(unknown.tx_hash)  # a block may have come between the question and the attempt
                    if found is None:
                        raise
                    return found
            except (OutcomeUnknown, Rejected) as silence:
                if isinstance(silence, Rejected) and silence.code != UNREACHABLE:
                    raise
            if time.monotonic() > deadline:
                raise unknown
            time.sleep(LOOK_SECONDS)

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

    def _tell(self, path: str, body: Any, raw: bytes = b"") -> Any:
        try:
            return self.post(path, body)
        except Rejected as refused:
            raise TxRejected(refused.code, refused.texts) from None
        except OutcomeUnknown as unknown:
            raise OutcomeUnknown(str(unknown), raw, sha256(raw).hex() if raw else "") from None

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


def _included(answer: Any, raw: bytes = b"") -> Receipt:
    if "code" not in answer:
        raise OutcomeUnknown(f"no block has included {answer['hash']} yet", raw, str(answer["hash"]))
    return codec.convert(answer, Receipt)
