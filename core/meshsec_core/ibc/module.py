"""The IBC module: clients, connections, channels and packets in one store."""

from meshsec_core.ibc import channel, client, connection, own_laws, packet, queries, recovery, timeout
from meshsec_core.ibc.paths import STORE
from meshsec_core.runtime.module import Module

IBC: Module[None] = Module(
    "ibc",
    handlers={
        **client.HANDLERS,
        **recovery.HANDLERS,
        **connection.HANDLERS,
        **channel.HANDLERS,
        **packet.HANDLERS,
        **timeout.HANDLERS,
    },
    queries=queries.QUERIES,
    laws=own_laws.LAWS,
    stores=(STORE,),
)
"""What every application with a port rests on."""
