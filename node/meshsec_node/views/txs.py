"""Views that take transactions, and the receipts of those that were included.

HTTP takes any spelling of JSON and rewrites it into the canonical one, which is what signatures cover. Only what has two readings
is refused.
"""

import re
from typing import Any

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import Address
from meshsec_core.modules.gov.module import Submit
from meshsec_core.runtime.module import Machine, Msg
from meshsec_core.runtime.tx import MAX_BYTES, TOO_LARGE, Tx, make_tx, read_msg
from meshsec_node.aliases import link_port
from meshsec_node.views.chain import receipt_fields
from meshsec_node.views.routes import Node, Reply, Request
from meshsec_sdk import names
from meshsec_sdk.problems import BAD_PARAMETER, MALFORMED_BODY, TX_NOT_FOUND, json_body, problem, read_body

MAX_BATCH = 10_000
"""Most transactions in one batch."""

PROPOSAL = str(Submit.__struct_config__.tag)
"""The message whose messages are read like those of an order."""

_HASH = re.compile(r"[0-9a-fA-F]{64}")


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a batch: each transaction is kept as it is spelled."""

    txs: tuple[msgspec.Raw, ...]


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `dev/send` and `simulate`: who wants which messages."""

    sender: str = msgspec.field(name="from")
    """A development name, or for `simulate` also an address."""
    msgs: tuple[dict[str, Any], ...]
    fee: int = 0
    memo: str = ""
    sequence: int | None = None
    """To sign with, so that an order whose answer was lost can be sent again without harm; the next one by default."""


def submit(node: Node, request: Request) -> Reply:
    """Queue a signed transaction. Accepted is not included: poll the receipt, or add `?wait=commit`."""
    found = put(node, request.body)
    return Reply({"hash": found.hex(), "height": node.replica.height}, 202)


def batch(node: Node, request: Request) -> Reply:
    """Queue many signed transactions, in order; each is accepted or refused on its own."""
    accepted: list[str] = []
    refused: list[dict[str, Any]] = []
    for index, raw in enumerate(split(request.body)):
        try:
            accepted.append(put(node, raw).hex())
        except Rejected as refusal:
            refused.append({"index": index, **msgspec.structs.asdict(problem(refusal))})
    return Reply({"accepted": accepted, "refused": refused, "height": node.replica.height}, 202)


def receipt(node: Node, request: Request) -> Reply:
    """Show what became of a transaction; `tx/not-found` says in `waiting` whether it still waits for a block."""
    text = request.parts["hash"]
    if _HASH.fullmatch(text) is None:
        raise Rejected(BAD_PARAMETER, name="hash", found=text[:100], expected="64 hexadecimal digits")
    found = node.replica.receipt(bytes.fromhex(text))
    if found is None:
        raise Rejected(TX_NOT_FOUND, hash=text.lower(), waiting=str(node.replica.is_waiting(bytes.fromhex(text))).lower())
    return Reply(receipt_fields(found))


def simulate(node: Node, request: Request) -> Reply:
    """Run messages as the next block would and forget what they wrote: code, facts, gas and events."""
    order = read_order(request.body)
    signer = Address(node.aliases.address(order.sender))
    found = receipt_fields(node.replica.app.simulate(signer, read_msgs(node, order)))
    return Reply({name: found[name] for name in ("code", "facts", "gas_used", "events", "msgs", "signer")})


def compose(node: Node, body: bytes) -> bytes:
    """Sign an order with the sender's development key; return the transaction's canonical bytes.

    Raises:
        Rejected: `names/unknown`, `http/malformed-body`, `codec/malformed`, `tx/unknown-message`.
    """
    order = read_order(body)
    key = names.key_of(order.sender, node.aliases.chain.name)
    sequence = order.sequence
    if sequence is None:
        sequence = node.replica.next_sequence(Address(node.aliases.address(order.sender)))
    genesis = node.replica.genesis
    return make_tx(key, genesis.prefix, genesis.chain_id, sequence, read_msgs(node, order), fee=order.fee, memo=order.memo)


def read_order(body: bytes) -> Order:
    """Read the body of an order.

    Raises:
        Rejected: `tx/too-large`, `http/malformed-body`, `codec/malformed`.
    """
    if len(body) > MAX_BYTES:
        raise Rejected(TOO_LARGE, bytes=len(body), limit=MAX_BYTES)
    return read_body(body, Order)


def read_msgs(node: Node, order: Order) -> tuple[Msg, ...]:
    """Read the messages of an order, names replaced by what they stand for, also in the messages of a proposal.

    Raises:
        Rejected: `tx/unknown-message`, `codec/malformed`, `names/unknown`, `dev/unknown-link`.
    """
    machine = node.replica.machine
    store = node.replica.view().store
    read: list[Msg] = []
    for spelled in order.msgs:
        meant = _meaning(node, spelled, store)
        if meant.get("@type") == PROPOSAL and isinstance(meant.get("msgs"), list):
            meant["msgs"] = [_meaning(node, inner, store) if isinstance(inner, dict) else inner for inner in meant["msgs"]]
        read.append(read_msg(meant, machine))
    return tuple(read)


def _meaning(node: Node, spelled: dict[str, Any], store: Reader) -> dict[str, Any]:
    machine = node.replica.machine
    kind = machine.messages.get(str(spelled.get("@type")))
    return spelled if kind is None else node.aliases.message(spelled, kind, store, link_port(owner_of(machine, kind)))


def owner_of(machine: Machine, kind: type[Msg]) -> str:
    """Return the module that handles a message."""
    return next(module.name for module in machine.modules if kind in module.handlers)


def put(node: Node, raw: bytes) -> bytes:
    """Submit a transaction of any spelling; return its hash.

    Raises:
        Rejected: why it may not wait for a block.
    """
    if len(raw) > MAX_BYTES:
        raise Rejected(TOO_LARGE, bytes=len(raw), limit=MAX_BYTES)
    try:
        return node.submit(raw)
    except Rejected as refusal:
        if refusal.code != codec.NOT_CANONICAL:
            raise
        rewritten = canonical(raw, node.replica.machine)
        if rewritten == raw:
            raise
        return node.submit(rewritten)


def canonical(raw: bytes, machine: Machine) -> bytes:
    """Rewrite a transaction of any spelling into the canonical one.

    Raises:
        Rejected: `http/malformed-body`, `codec/malformed`, `tx/unknown-message`.
    """
    tx = codec.convert(json_body(raw), Tx)
    msgs = tuple(codec.plain(read_msg(spelled, machine)) for spelled in tx.msgs)
    return codec.encode(msgspec.structs.replace(tx, msgs=msgs))


def split(body: bytes) -> tuple[bytes, ...]:
    """Take a batch apart without touching the spelling of its transactions.

    Raises:
        Rejected: `http/malformed-body`.
    """
    try:
        txs = msgspec.json.decode(body, type=Batch).txs
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(MALFORMED_BODY, detail=str(error)[:200]) from None
    if len(txs) > MAX_BATCH:
        raise Rejected(MALFORMED_BODY, detail=f"{len(txs)} transactions", limit=MAX_BATCH)
    return tuple(map(bytes, txs))
