"""What has happened in a world, for whoever must understand a failure: its last events, and the packets that were touched."""

from collections.abc import Iterator
from typing import Any

from meshsec.world.base import World
from meshsec.world.chain import Chain
from meshsec_core.kernel.errors import Rejected

LAST_EVENTS = 12
MOST_BLOCKS = 200
"""How far back is looked on each chain."""
LONGEST_VALUE = 48

QUIET = frozenset({"message", "mint", "rewards", "update_client"})
"""Events that say nothing about a test."""

LEGS = {
    "send_packet": "sent",
    "recv_packet": "received",
    "write_acknowledgement": "answered",
    "acknowledge_packet": "acknowledged",
    "timeout_packet": "timed out",
}


def trail(world: World, since: dict[str, int]) -> list[str]:
    """Return lines about what happened in a world.

    Args:
        since: chain to the height behind which to look.
    """
    blocks = [block for chain in world.chains.values() for block in _blocks(chain, since.get(chain.name, 0))]
    blocks.sort(key=lambda block: (int(block[1]["time"]), block[0].name))
    events = [(chain, block["height"], event) for chain, block in blocks for event in block["events"]]
    told = [_line(chain, height, event) for chain, height, event in events if event["type"] not in QUIET]
    return [
        "last events",
        *(told[-LAST_EVENTS:] or ["  none"]),
        "packets touched",
        *(f"  {line}" for line in packets_of(events) or ["none"]),
    ]


def _blocks(chain: Chain, since: int) -> Iterator[tuple[Chain, Any]]:
    try:
        tip = chain.height
        for height in range(max(since, tip - MOST_BLOCKS) + 1, tip + 1):
            yield chain, chain.get(f"/v1/blocks/{height}")
    except (Rejected, OSError):
        return  # a chain that a test has killed tells nothing more


def _line(chain: Chain, height: str, event: Any) -> str:
    said = " ".join(f"{name}={_short(value)}" for name, value in event["attributes"].items())
    return f"  {chain.name} {height} {event['type']} {said}".rstrip()


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…"


def packets_of(events: list[tuple[Chain, str, Any]]) -> list[str]:
    """Return a line for every packet that events (chain, height, event) speak of, with what has happened to it."""
    packets: dict[str, list[str]] = {}
    others: dict[tuple[str, str, str], str] = {}
    for chain, height, event in events:
        if event["type"] in LEGS:
            name = _packet(chain, event["type"], event["attributes"], others)
            packets.setdefault(name, []).append(f"{LEGS[event['type']]} {chain.name}/{height}")
    return [f"{name} {', '.join(legs)}" for name, legs in packets.items()]


def _packet(chain: Chain, kind: str, said: dict[str, str], others: dict[tuple[str, str, str], str]) -> str:
    """Name a packet by the chain that sent it: `osmosis:transfer:channel-0:1`."""
    sender = chain.name
    if kind in ("recv_packet", "write_acknowledgement"):
        place = (chain.name, said["packet_dst_port"], said["packet_dst_channel"])
        if place not in others:
            for channel in chain.query("ibc", "channels"):
                others[chain.name, channel["port_id"], channel["channel_id"]] = _short_name(chain.world, channel["chain_id"])
        sender = others.get(place, "?")
    return f"{sender}:{said['packet_src_port']}:{said['packet_src_channel']}:{said['packet_sequence']}"


def _short_name(world: World, chain_id: str) -> str:
    return next((chain.name for chain in world.chains.values() if chain.names.chain_id == chain_id), chain_id)
