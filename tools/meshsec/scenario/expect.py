"""Compares partial states with what chains say.

For each chain: `balances` and `supply` (amounts), `validators` (by name), `vault` (by user), `query` (from
`module/name?parameter=value` to partial JSON), and `status` (such as whether it is `ready`). Numbers are compared as they are
spelled in JSON; digits may be grouped by underscores and carry their coin.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from meshsec.world.base import World
from meshsec.world.chain import Chain
from meshsec.world.ways import denom_of

_NUMBER = re.compile(r"(-?[0-9][0-9_]*)([a-z][A-Za-z0-9/]*)?")

_KEYS = ("name", "validator", "operator", "link", "user", "channel_id", "client_id", "id", "hash")
"""What an entry of a list may be named by."""


class Difference(msgspec.Struct, frozen=True):
    """One place where a chain says something else."""

    place: str
    expected: str
    found: str


def compare(world: World, expected: dict[str, Any]) -> list[Difference]:
    """Return every difference between an expectation and the chains."""
    return [found for name, parts in expected.items() for found in _chain(world.chain(name), parts)]


def _chain(chain: Chain, parts: dict[str, Any]) -> Iterator[Difference]:
    for who, amount in parts.get("balances", {}).items():
        coins = amount if isinstance(amount, dict) else {_coin(amount) or chain.names.denom: amount}
        for denom, wanted in coins.items():
            yield from _differ(f"{chain.name}: balance of {who}", wanted, str(chain.balance(who, denom)))
    for denom, wanted in parts.get("supply", {}).items():
        found = chain.query("bank", "supply", denom=denom_of(chain, denom))
        yield from _differ(f"{chain.name}: supply of {denom}", wanted, found)
    for name, wanted in parts.get("validators", {}).items():
        yield from _differ(f"{chain.name}: validator {name}", wanted, chain.find_validator(name))
    for who, wanted in parts.get("vault", {}).items():
        yield from _differ(f"{chain.name}: vault of {who}", wanted, chain.query("mesh/provider", "vault", user=who))
    if "status" in parts:
        yield from _differ(f"{chain.name}: status", parts["status"], chain.get("/v1/status"))
    for asked, wanted in parts.get("query", {}).items():
        yield from _differ(f"{chain.name}: {asked}", wanted, chain.get(f"/v1/query/{asked}"))


def _coin(amount: Any) -> str:
    found = _NUMBER.fullmatch(str(amount))
    return (found[2] or "") if found else ""


def _differ(place: str, wanted: Any, found: Any) -> Iterator[Difference]:
    if isinstance(wanted, dict):
        for key, part in wanted.items():
            yield from _differ(f"{place} › {key}", part, _entry(found, key))
    elif isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            yield Difference(place, _text(wanted), _text(found))
        else:
            for index, (part, other) in enumerate(zip(wanted, found, strict=True)):
                yield from _differ(f"{place} › {index}", part, other)
    elif _spelled(wanted) != _text(found):
        yield Difference(place, _spelled(wanted), _text(found))


def _entry(found: Any, key: str) -> Any:
    if isinstance(found, list):
        return next((item for item in found if isinstance(item, dict) and key in (item.get(name) for name in _KEYS)), None)
    return found.get(key) if isinstance(found, dict) else None


def _spelled(wanted: Any) -> str:
    number = _NUMBER.fullmatch(str(wanted))
    return number[1].replace("_", "") if number else str(wanted)


def _text(found: Any) -> str:
    if isinstance(found, bool) or found is None:
        return {True: "true", False: "false", None: "none"}[found]
    return str(found)
