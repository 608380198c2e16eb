"""Orders of a development chain that break its validators and the network between them, and heal both."""

import re
from typing import Any

import msgspec

from meshsec_core.kernel.crypto import bech32_decode
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.faults import BAD_FAULT, parameters
from meshsec_core.replica.network import UNKNOWN_VALIDATOR
from meshsec_node.views.routes import Node, Reply, Request
from meshsec_sdk.problems import read_body
from meshsec_sdk.quantities import duration

_WHOLE = re.compile(r"-?[0-9]{1,19}")


class Fault(msgspec.Struct, frozen=True):
    """The part of a `fault` that all kinds share; without a validator all of them."""

    kind: str
    validator: str | None = None


class Partition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `partition`."""

    groups: list[list[str]]


class Heal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `heal`; without a validator all of them."""

    validator: str | None = None


def fault(node: Node, request: Request) -> Reply:
    """Make a validator of this chain misbehave, or all of them: a kind of fault, the validator, and what the kind takes."""
    body = read_body(request.body, Fault)
    given = read_body(request.body, dict[str, Any])
    asked = {name: value for name, value in given.items() if name not in Fault.__struct_fields__}
    node.fault(body.kind, _chosen(node, body.validator), _typed(node, body.kind, asked))
    return Reply({"fault": body.kind, "validator": body.validator or "all"})


def partition(node: Node, request: Request) -> Reply:
    """Let messages pass only inside groups of validators; whoever is in none forms a last group."""
    groups = [[own_name(node, name) for name in group] for group in read_body(request.body, Partition).groups]
    node.partition(groups)
    return Reply({"groups": groups})


def heal(node: Node, request: Request) -> Reply:
    """End the faults of one validator; or all faults, the partition and all branches."""
    asked = read_body(request.body, Heal)
    node.heal(_chosen(node, asked.validator))
    return Reply({"healed": asked.validator or "all"})


def _chosen(node: Node, name: str | None) -> str | None:
    return None if name is None else own_name(node, name)


def own_name(node: Node, name: str) -> str:
    """Return the name of a validator of this chain without the chain's."""
    home, slash, validator = name.rpartition("/")
    if slash and home != node.aliases.chain.name:
        raise Rejected(UNKNOWN_VALIDATOR, validator=name[:100], chain=node.aliases.chain.name)
    return validator


def _typed(node: Node, kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Turn what people write for durations and accounts into nanoseconds and addresses."""
    kinds = {item.name: item.kind for item in parameters(kind)}
    found: dict[str, Any] = {}
    for name, value in given.items():
        text = str(value)
        match kinds.get(name):
            case "duration" | "signed duration":
                found[name] = _nanoseconds(kind, name, text)
            case "account":
                found[name] = _account(node, kind, name, text)
            case _:
                found[name] = value
    return found


def _account(node: Node, kind: str, name: str, text: str) -> str:
    found = node.aliases.address(text)
    try:
        bech32_decode(node.aliases.chain.prefix, found)
    except Rejected:
        expected = f"an address such as {node.aliases.chain.prefix}1…, or a name such as alice"
        raise Rejected(BAD_FAULT, fault=kind, parameter=name, found=text[:100], expected=expected) from None
    return found


def _nanoseconds(kind: str, name: str, text: str) -> int:
    if _WHOLE.fullmatch(text):
        return int(text)
    length = duration(text.removeprefix("-"))
    if length is None:
        raise Rejected(BAD_FAULT, fault=kind, parameter=name, found=text[:50], expected="a duration such as 500ms or 2m")
    return -length if text.startswith("-") else length
