"""What a chain has stored about its clients, connections and channels.

State is asked, not history: it is there even if old blocks are gone, and nobody can forge it.
"""

from meshsec_core.ibc.channel import CHANNELS
from meshsec_core.ibc.client import CLIENT_TYPE, CLIENTS, NEXT_CLIENT
from meshsec_core.ibc.connection import CONNECTIONS
from meshsec_core.kernel.wire.ibc import Channel, ClientState, ConnectionEnd
from meshsec_core.kernel.wire.proto import decode
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.client import unwrap
from meshsec_relayer.engine.proofs import all_stored, listed, stored
from meshsec_relayer.engine.tasks import Task

_CONNECTIONS = CONNECTIONS.key("")
_CHANNELS = CHANNELS.key("", "").partition("//")[0] + "/"


class Directory:
    """A chain's clients, connections and channels."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.clients: dict[str, ClientState] = {}
        """As first seen; the rules of a client never change."""
        self.connections: dict[str, ConnectionEnd] = {}
        self.channels: dict[tuple[str, str], Channel] = {}
        """(port, channel id) to end."""

    def refresh(self) -> Task[None]:
        """Look at connections and channels again.

        Raises:
            Rejected: the chain does not answer.
        """
        connections, channels = yield from listed(self.chain, _CONNECTIONS, _CHANNELS)
        self.connections = {name: decode(ConnectionEnd, raw) for name, raw in connections.items()}
        self.channels = {_name(rest): decode(Channel, raw) for rest, raw in channels.items()}

    def find_clients(self) -> Task[None]:
        """Look for new clients.

        Raises:
            Rejected: the chain does not answer.
        """
        count = int.from_bytes((yield from stored(self.chain, NEXT_CLIENT.key())) or b"")
        new = [f"{CLIENT_TYPE}-{number}" for number in range(len(self.clients), count)]
        states = yield from all_stored(self.chain, tuple(CLIENTS.key(name) for name in new))
        for name, raw in zip(new, states, strict=True):
            if raw is not None:
                self.clients[name] = unwrap(raw, ClientState)


def _name(rest: str) -> tuple[str, str]:
    port, _, channel = rest.partition("/channels/")
    return port, channel
