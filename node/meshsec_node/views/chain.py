"""Views of the chain itself: status, blocks, commits, validator sets, events."""

from collections.abc import Iterator
from typing import Any

from meshsec_core.app import Receipt, Results
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ValidatorId
from meshsec_core.kernel.wire.hashes import header_hash
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.kernel.wire.tendermint import BlockId, Commit, Header, encode_evidence
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.history import UPDATE_DELAY
from meshsec_core.runtime.module import Event, View
from meshsec_node.version import VERSION
from meshsec_node.views.routes import Node, Reply, Request

NO_BLOCK = "block/not-found"
PRUNED_BLOCK = "block/pruned"
NO_VALIDATORS = "validators/not-found"

ENGINE = "embedded"


def healthz(node: Node, request: Request) -> Reply:  # noqa: ARG001
    """Tell that the process answers."""
    return Reply({"alive": True})


def readyz(node: Node, request: Request) -> Reply:  # noqa: ARG001
    """Tell whether the chain makes blocks; otherwise 503 and why not."""
    reasons = node.reasons()
    return Reply({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)


def status(node: Node, request: Request) -> Reply:  # noqa: ARG001
    """Show where the chain stands."""
    replica, tip = node.replica, node.replica.tip
    reasons = node.reasons()
    return Reply(
        {
            "chain_id": replica.genesis.chain_id,
            "name": node.aliases.chain.name,
            "prefix": replica.genesis.prefix,
            "denom": replica.genesis.denom,
            "height": tip.height,
            "time": tip.time,
            "app_hash": tip.app_hash.hex(),
            "block_hash": tip.block_id.hash.hex(),
            "validators_hash": tip.validators.hash.hex(),
            "block_mode": node.block_mode,
            "engine": ENGINE,
            "earliest_height": replica.pruning.earliest,
            "earliest_state": replica.state.earliest,
            "waiting": replica.waiting,
            "quiet": not (replica.has_work or replica.deciding),
            "version": VERSION,
            "generation": replica.generation,
            "development": node.development,
            "models": dict(replica.genesis.models),
            "ready": not reasons,
            "reasons": reasons,
            "faults": [*replica.network.faults, *(f"fork: {name}" for name in node.branches)],
        }
    )


def block(node: Node, request: Request) -> Reply:
    """Show a block: header, transactions, what they did, and all events in order."""
    if request.parts["height"] == "latest":
        height = node.replica.height
    else:
        height = request.number("height", 0)
    found, results = node.replica.block(height), node.replica.results(height)
    if found is None or results is None:
        raise _missing(node, NO_BLOCK, height)
    return Reply(
        {
            "height": height,
            "hash": header_hash(found.header).hex(),
            "time": found.header.time,
            "header": header_fields(found.header),
            "txs": [
                {"hash": item.hash, "code": item.code, "signer": item.signer, "msgs": item.msgs} for item in results.receipts
            ],
            "evidence": [encode_evidence(item) for item in found.evidence],
            "last_commit": commit_fields(found.last_commit),
            "results": {
                "receipts": [receipt_fields(receipt) for receipt in results.receipts],
                "begin_events": [event_fields(event) for event in results.begin_events],
                "end_events": [event_fields(event) for event in results.end_events],
            },
            "events": list(events_of(results)),
        }
    )


def _missing(node: Node, code: str, height: int) -> Rejected:
    """Return why there is nothing at a height: it is forgotten, or it was never made."""
    earliest = node.replica.pruning.earliest
    if 0 < height < earliest:
        return Rejected(PRUNED_BLOCK, height=height, earliest=earliest)
    return Rejected(code, height=height, latest=node.replica.height)


def block_txs(node: Node, request: Request) -> Reply:
    """Show the bytes of a block's transactions, in order, for whoever wants to know what a message said."""
    height = request.number("height", 0)
    found = node.replica.block(height)
    if found is None:
        raise _missing(node, NO_BLOCK, height)
    return Reply({"height": height, "txs": list(found.txs)})


def commit(node: Node, request: Request) -> Reply:
    """Show a header with the commit that decided it: what a light client verifies."""
    height = request.number("height", 0)
    found = node.replica.commit(height)
    if found is None:
        raise _missing(node, NO_BLOCK, height)
    readable = {"header": header_fields(found.header), "commit": commit_fields(found.commit)}
    return Reply({"height": height, "signed_header": readable, "proto": encode(found)})


def validators(node: Node, request: Request) -> Reply:
    """Show the set that votes on a height: powers with the part that other chains lend, and proposer priorities."""
    height = request.number("height", node.replica.height)
    found = node.replica.validators_at(height)
    if found is None:
        raise _missing(node, NO_VALIDATORS, height)
    decided = _state_behind(node, height)
    rows = _members(found, None if decided is None else lent_powers(node, decided), node.replica.view())
    return Reply(
        {
            "height": height,
            "validators": rows,
            "total_power": found.total_power,
            "proposer": found.proposer.address.hex(),
            "hash": found.hash.hex(),
            "proto": encode(found.to_wire()),
        }
    )


def _state_behind(node: Node, height: int) -> View | None:
    """Return the state that decided who votes on a height, or None if it is no longer kept."""
    try:
        return node.replica.view(max(height - UPDATE_DELAY, 0))
    except Rejected:
        return None


def _members(found: ValidatorSet, virtual: dict[ValidatorId, dict[str, int]] | None, latest: View) -> list[dict[str, Any]]:
    """Spell a set; which part of a power is lent is known only while the state that decided it is kept."""
    rows: list[dict[str, Any]] = []
    for member in found.validators:
        operator = staking.by_consensus_address(latest.store, member.address)
        lent = virtual.get(operator, {}) if virtual is not None and operator is not None else None
        rows.append(
            {
                "address": member.address.hex(),
                "public_key": member.public_key,
                "name": staking.get_validator(latest.store, operator).name if operator else "",
                "operator": operator,
                "power": member.power,
                "priority": member.priority,
                "native": None if lent is None else member.power - sum(lent.values()),
                "virtual": lent,
            }
        )
    return rows


def lent_powers(node: Node, view: View) -> dict[ValidatorId, dict[str, int]]:
    """Return, per validator, the power that each link lends it in a state, under whatever model."""
    found: dict[ValidatorId, dict[str, int]] = {}
    for model in node.replica.app.models:
        for validator, links in model.lent(view).items():
            found.setdefault(validator, {}).update(links)
    return found


def events_of(results: Results) -> Iterator[dict[str, Any]]:
    """Yield all events of a block in order, each with the hash of its transaction or None."""
    for event in results.begin_events:
        yield {**event_fields(event), "tx": None}
    for receipt in results.receipts:
        for event in receipt.events:
            yield {**event_fields(event), "tx": receipt.hash}
    for event in results.end_events:
        yield {**event_fields(event), "tx": None}


def event_fields(event: Event) -> dict[str, Any]:
    """Spell an event; of attributes of one name the last is shown."""
    return {"type": event.type, "attributes": dict(event.attributes)}


def receipt_fields(receipt: Receipt) -> dict[str, Any]:
    """Spell a receipt."""
    return {
        "hash": receipt.hash,
        "height": receipt.height,
        "index": receipt.index,
        "signer": receipt.signer,
        "msgs": receipt.msgs,
        "code": receipt.code,
        "facts": receipt.facts,
        "gas_used": receipt.gas_used,
        "events": [event_fields(event) for event in receipt.events],
    }


def header_fields(header: Header) -> dict[str, Any]:
    """Spell a header with its hashes in lower hex."""
    fields: dict[str, Any] = {}
    for name in header.__struct_fields__:
        value = getattr(header, name)
        fields[name] = value.hex() if isinstance(value, bytes) else _block_id(value) if isinstance(value, BlockId) else value
    return fields


def commit_fields(found: Commit) -> dict[str, Any]:
    """Spell a commit; signatures in base64."""
    signatures = [
        {"flag": item.flag, "address": item.address.hex(), "time": item.time, "signature": item.signature}
        for item in found.signatures
    ]
    return {"height": found.height, "round": found.round, "block_id": _block_id(found.block_id), "signatures": signatures}


def _block_id(found: BlockId) -> dict[str, Any]:
    return {"hash": found.hash.hex(), "parts": {"total": found.parts.total, "hash": found.parts.hash.hex()}}
