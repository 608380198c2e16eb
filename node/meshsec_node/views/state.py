"""Views of the state: raw values with proofs, and accounts."""

from typing import Any

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.state import UNKNOWN_STORE
from meshsec_core.kernel.types import Address
from meshsec_core.modules import auth, bank
from meshsec_node.views.routes import Node, Reply, Request
from meshsec_sdk.problems import BAD_PARAMETER, read_body

PAGE = 100
MAX_PAGE = 1_000


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a request for many values."""

    paths: tuple[str, ...]
    height: int | None = None
    prove: bool = False


def value(node: Node, request: Request) -> Reply:
    """Show the value at a path after a height, with its two-level ICS-23 proof if asked.

    A proof is checked against the header after its height, so a proof of the latest state is of one height earlier.
    """
    path = request.parts["path"]
    proven = request.flag("prove")
    height = request.number("height", _newest(node, proven=proven))
    raw, proof = _look(node, path, height, proven=proven)
    return Reply(
        {
            "path": path,
            "height": height,
            "value": raw,
            "json": _readable(raw),
            "proof": proof,
            "proof_height": height + 1,
        }
    )


def values(node: Node, request: Request) -> Reply:
    """Show the values at many paths after one height, in the order they are named, each with its proof if asked."""
    wanted = read_body(request.body, Wanted)
    if len(wanted.paths) > MAX_PAGE:
        raise Rejected(BAD_PARAMETER, name="paths", found=len(wanted.paths), expected=f"up to {MAX_PAGE}")
    height = _newest(node, proven=wanted.prove) if wanted.height is None else wanted.height
    rows = [(path, *_look(node, path, height, proven=wanted.prove)) for path in wanted.paths]
    entries = [{"path": path, "value": raw, "proof": proof} for path, raw, proof in rows]
    return Reply({"height": height, "entries": entries, "proof_height": height + 1})


def _newest(node: Node, *, proven: bool) -> int:
    """Return the latest height whose state can be read, or proven."""
    latest = node.replica.height
    return max(latest - 1, 0) if proven else latest


def _look(node: Node, path: str, height: int, *, proven: bool) -> tuple[bytes | None, bytes | None]:
    """Return the value at a path after a height, and its proof if asked.

    Raises:
        Rejected: `state/unknown-store`, `state/pruned`, `state/future-height`; `state/bad-path` if a proof is asked of no path.
    """
    if path.partition("/")[0] not in node.replica.machine.stores:
        raise Rejected(UNKNOWN_STORE, path=path[:100], known=", ".join(node.replica.machine.stores))
    if proven:
        return node.replica.state.prove(path, height)
    return node.replica.view(height).store.get(path), None


def listing(node: Node, request: Request) -> Reply:
    """List paths under a prefix, in order, a page at a time: `next` is the `after` of the next page."""
    prefix, after = request.query.get("prefix", ""), request.query.get("after", "")
    limit = request.number("limit", PAGE)
    if not 1 <= limit <= MAX_PAGE:
        raise Rejected(BAD_PARAMETER, name="limit", found=limit, expected=f"1 to {MAX_PAGE}")
    height = request.number("height", node.replica.height)
    rows: list[dict[str, Any]] = []
    for path, raw in node.replica.view(height).store.scan(prefix, after):
        if len(rows) == limit:
            return Reply({"height": height, "entries": rows, "next": rows[-1]["path"]})
        rows.append({"path": path, "value": raw, "json": _readable(raw)})
    return Reply({"height": height, "entries": rows, "next": None})


def account(node: Node, request: Request) -> Reply:
    """Show an account: the sequence its next transaction must carry, and its coins."""
    address = Address(node.aliases.address(request.parts["address"]))
    view = node.replica.view()
    return Reply(
        {
            "address": address,
            "sequence": auth.sequence(view.store, address),
            "next_sequence": node.replica.next_sequence(address),
            "balances": bank.balances(view.store, address),
        }
    )


def balances(node: Node, request: Request) -> Reply:
    """Show an account's coins, and which of them can be sent."""
    address = Address(node.aliases.address(request.parts["address"]))
    view = node.replica.view(request.number("height", node.replica.height))
    return Reply(bank.query_balances(view, address))


def _readable(raw: bytes | None) -> Any:
    """Return a stored value as JSON if it is any, else None."""
    if raw is None or raw[:1] not in (b"{", b"[", b'"', b"t", b"f"):
        return None
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return None
