"""Which of the connections and channels that exist between two chains a relayer goes on with.

The one it has used before, if the chains still confirm it; otherwise the one that has come farthest; among equals the oldest. A
closed channel is the last choice, so that one that is proposed in its place is opened.
Ends match only if each names the other, or one of them does not know the other yet.
"""

from collections.abc import Iterator

from meshsec_core.ibc.channel import ORDERINGS
from meshsec_core.kernel.wire.ibc import STATE_CLOSED, STATE_INIT, Channel
from meshsec_relayer.config import ChannelConfig
from meshsec_relayer.engine.directory import Directory
from meshsec_relayer.engine.handshake import RANK, Connected, Joined


def find_connection(
    first: Directory, second: Directory, clients: tuple[tuple[str, ...], tuple[str, ...]], saved: str
) -> tuple[Connected, Connected] | None:
    """Return both ends of the best connection over clients that may be used, or None.

    Args:
        first: one chain's directory.
        second: the other's.
        clients: ids that may be used on the first and on the second chain.
        saved: the first chain's connection that was used before; empty if none was.
    """
    own, others = clients
    found = [pair for pair in _connections(first, second) if pair[0].client in own and pair[1].client in others]
    return max(found, key=lambda pair: (pair[0].id == saved != "", _far(*pair)), default=None)


def _connections(first: Directory, second: Directory) -> Iterator[tuple[Connected, Connected]]:
    """Yield every pair of ends that belong together, the other end possibly missing."""
    for name, end in first.connections.items():
        there = end.counterparty
        others = [
            other_name
            for other_name, other in second.connections.items()
            if other.client_id == there.client_id
            and other.counterparty.client_id == end.client_id
            and other.counterparty.connection_id == name
            and there.connection_id in ("", other_name)
        ]
        here = Connected(first.chain.name, end.client_id, name, end)
        for other_name in others:
            yield here, Connected(second.chain.name, there.client_id, other_name, second.connections[other_name])
        if not others and end.state == STATE_INIT:
            yield here, Connected(second.chain.name, there.client_id)
    for name, end in second.connections.items():
        if end.state == STATE_INIT:
            there = end.counterparty
            yield Connected(first.chain.name, there.client_id), Connected(second.chain.name, end.client_id, name, end)


def find_channel(
    first: Directory, second: Directory, config: ChannelConfig, connections: dict[str, Connected], saved: tuple[str, ...]
) -> tuple[Joined, Joined]:
    """Return both ends of the best channel of a kind over a connection; an end that does not exist has no id.

    Args:
        first: the directory of the chain that proposes the channel.
        second: that of the other chain.
        config: ports and ordering.
        connections: the connection's ends by chain name.
        saved: channel ids of the first chain that were used before.
    """
    port, other_port = config.port, config.counterparty_port
    own = _fitting(first, port, other_port, config, connections)
    others = _fitting(second, other_port, port, config, connections)
    none_here, none_there = Joined(first.chain.name, port), Joined(second.chain.name, other_port)
    pairs: list[tuple[Joined, Joined]] = []
    for name, end in own.items():
        here = Joined(first.chain.name, port, name, end)
        known = end.counterparty.channel_id
        matches = [id_ for id_, other in others.items() if other.counterparty.channel_id == name and known in ("", id_)]
        pairs += [(here, Joined(second.chain.name, other_port, id_, others[id_])) for id_ in matches]
        pairs += [] if matches else [(here, none_there)]
    pairs += [
        (none_here, Joined(second.chain.name, other_port, id_, end)) for id_, end in others.items() if end.state == STATE_INIT
    ]
    return max(pairs, key=lambda pair: (not _closed(*pair), pair[0].id in saved, _far(*pair)), default=(none_here, none_there))


def _fitting(
    directory: Directory, port: str, other_port: str, config: ChannelConfig, connections: dict[str, Connected]
) -> dict[str, Channel]:
    hops, ordering = (connections[directory.chain.name].id,), ORDERINGS[config.ordering]
    return {
        name: end
        for (bound, name), end in directory.channels.items()
        if (bound, end.counterparty.port_id, end.ordering, end.connection_hops) == (port, other_port, ordering, hops)
    }


def _closed(one: Joined, other: Joined) -> bool:
    return STATE_CLOSED in (one.state, other.state)


def _far(one: Connected | Joined, other: Connected | Joined) -> int:
    return RANK[one.state] + RANK[other.state]
