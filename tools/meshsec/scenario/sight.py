"""What one chain looks like at a moment: the part of its state that people care about, by readable names, and figures to plot.

Everything is read out of the state that the chain serves, so that a revert shows as what it is, and all worlds look alike.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from meshsec.scenario.people import People, Rows, coins, links
from meshsec.world.chain import Chain
from meshsec.world.laws import read_rows
from meshsec_core.kernel import codec

SEPARATOR = " › "


class Figures(msgspec.Struct, frozen=True):
    """What is plotted of a chain, in base units of its coin but for packets."""

    native: int = 0
    virtual: dict[str, int] = {}
    """Power by the chain that lends it."""
    collateral: int = 0
    liens: dict[str, int] = {}
    """What is lent, by the chain that borrows it; at most, while an answer is due."""
    sent: int = 0
    received: int = 0
    in_flight: int = 0
    """Packets sent by this chain that are neither acknowledged nor given back."""
    rewards: dict[str, int] = {}
    """What users of this chain have been credited for lending, in the coin of the chain that pays."""


class Sight(msgspec.Struct, frozen=True):
    """A chain at a moment."""

    height: int
    time: int
    """Of its last block, nanoseconds."""
    facts: dict[str, str]
    """Readable name of a place in the state to its value."""
    figures: Figures


class Change(msgspec.Struct, frozen=True):
    """One place in a chain's state that has become another."""

    chain: str
    place: str
    before: str
    """Empty if there was nothing."""
    after: str


def look(chain: Chain, people: People) -> Sight:
    """Look at a chain.

    Raises:
        Rejected: the chain does not answer.
    """
    status = chain.get("/v1/status")
    rows = read_rows(chain, int(status["height"]))
    powers = chain.get("/v1/validators")["validators"]
    people.know_modules(rows)
    roads = links(rows)
    facts = dict(_facts(rows, people, roads, coins(rows)))
    facts |= {f"client of {each['chain_id']}{SEPARATOR}status": each["status"] for each in chain.query("ibc", "clients")}
    for each in powers:
        facts[f"validator {each['name']}{SEPARATOR}power"] = each["power"]
        for link, amount in (each["virtual"] or {}).items():
            facts[f"validator {each['name']}{SEPARATOR}lent by {roads.get(link, link)}"] = amount
    return Sight(int(status["height"]), int(status["time"]), facts, _figures(rows, powers, roads))


def differ(chain: str, before: Sight, after: Sight) -> Iterator[Change]:
    """Yield what has changed between two moments, by place."""
    for place in sorted({**before.facts, **after.facts}):
        was, now = before.facts.get(place, ""), after.facts.get(place, "")
        if was != now:
            yield Change(chain, place, was, now)


Namer = Callable[[list[str], People, dict[str, str], dict[str, str]], str]

_TOLD: dict[str, tuple[Namer, tuple[str, ...]]] = {
    "bank/balances/": (
        lambda p, who, _, coin: f"balance of {who.name(p[0])} in {coin.get('/'.join(p[1:]), '/'.join(p[1:]))}",
        (),
    ),
    "bank/supply/": (lambda p, _, __, coin: f"supply of {coin.get('/'.join(p), '/'.join(p))}", ()),
    "staking/validators/": (
        lambda p, who, _, __: f"validator {who.name(p[0]).rpartition('/')[2]}",
        ("tokens", "jailed", "tombstoned", "status", "commission_bps"),
    ),
    "mesh/vaults/": (lambda p, who, _, __: f"vault of {who.name(p[0])}", ("collateral", "liens")),
    "mesh/stakes/": (
        lambda p, who, _, __: f"stake of {who.name(p[2])} with {who.name(p[1])}",
        ("bonded", "adding", "leaving"),
    ),
    "mesh/links/": (lambda p, _, road, __: f"link to {road.get(p[0], p[0])}", ("phase",)),
    "mesh/borrows/": (lambda p, _, road, __: f"link from {road.get(p[0], p[0])}", ("phase",)),
    "mesh/cap-in-force/": (lambda p, _, road, __: f"cap on {road.get(p[0], p[0])}", ()),
    "mesh/rewards-sent/": (lambda p, _, road, __: f"rewards sent to {road.get(p[0], p[0])}", ()),
    "mesh/rewards-received/": (lambda p, _, road, __: f"rewards received from {road.get(p[0], p[0])}", ()),
    "mesh/rewards-paid/": (lambda p, _, road, __: f"rewards claimed from {road.get(p[0], p[0])}", ()),
    "transfer/escrows/": (lambda p, _, __, coin: f"escrow of {coin.get('/'.join(p[1:]), '/'.join(p[1:]))} on {p[0]}", ()),
    "gov/proposals/": (lambda p, _, __, ___: f"proposal {int(p[0])}", ("status",)),
}
"""Prefix of paths to how the rest of a path is called, and which fields of the value are told; all if none are named."""


def _facts(rows: Rows, people: People, roads: dict[str, str], coin: dict[str, str]) -> Iterator[tuple[str, str]]:
    for path, value in rows.items():
        for prefix, (namer, fields) in _TOLD.items():
            if path.startswith(prefix):
                name = namer(path.removeprefix(prefix).split("/"), people, roads, coin)
                said: Any = codec.load(value, Any)
                chosen = {field: said[field] for field in fields if field in said} if fields else said
                yield from _leaves(name, chosen, roads)


def _leaves(place: str, value: Any, roads: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield every scalar below a value; a range of equal ends is one."""
    if isinstance(value, dict):
        if set(value) == {"low", "high"}:
            low, high = value["low"], value["high"]
            yield place, str(low) if low == high else f"{low}–{high}"
            return
        for key, part in value.items():
            if key not in ("ratio_bps", "range"):
                yield from _leaves(f"{place}{SEPARATOR}{_key(key, roads)}", part, roads)
            elif key == "range":
                yield from _leaves(place, part, roads)
    elif not isinstance(value, list):
        yield place, str(value).lower() if isinstance(value, bool) else str(value)


def _key(key: str, roads: dict[str, str]) -> str:
    if key == "liens":
        return "lent"
    return f"to {roads[key]}" if key in roads else key


def _figures(rows: Rows, powers: list[dict[str, Any]], roads: dict[str, str]) -> Figures:
    virtual: dict[str, int] = {}
    for each in powers:
        for link, amount in (each["virtual"] or {}).items():
            virtual[roads.get(link, link)] = virtual.get(roads.get(link, link), 0) + int(amount)
    liens: dict[str, int] = {}
    collateral = 0
    for value in _under(rows, "mesh/vaults/"):
        account = codec.load(value, dict)
        collateral += int(account["collateral"])
        for link, lien in account["liens"].items():
            name = roads.get(link, "its own chain" if link == "local" else link)
            liens[name] = liens.get(name, 0) + int(lien["range"]["high"])
    prefix = "mesh/rewards-received/"
    rewards = {
        roads.get(path.removeprefix(prefix), path): int(codec.load(value, str))
        for path, value in rows.items()
        if path.startswith(prefix)
    }
    ordered = sum(int.from_bytes(value) - 1 for value in _under(rows, "ibc/nextSequenceRecv/"))
    return Figures(
        native=sum(int(each["native"] or 0) for each in powers),
        virtual=virtual,
        collateral=collateral,
        liens=liens,
        sent=sum(int.from_bytes(value) - 1 for value in _under(rows, "ibc/nextSequenceSend/")),
        received=ordered + sum(1 for _ in _under(rows, "ibc/receipts/")),
        in_flight=sum(1 for _ in _under(rows, "ibc/commitments/")),
        rewards=rewards,
    )


def _under(rows: Rows, prefix: str) -> Iterator[bytes]:
    return (value for path, value in rows.items() if path.startswith(prefix))
