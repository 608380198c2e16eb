"""Channels and vouchers named by the chains that they lead to: `juno`, and `juno/osmosis/uosmo`.

Ids of channels depend on who opened what first, so nobody should have to know them, nor the names of vouchers that follow from
them.
"""

from typing import TYPE_CHECKING

from meshsec_core.ibc.transfer import PORT, VOUCHER
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import voucher_denom

if TYPE_CHECKING:
    from meshsec.world.chain import Chain

NO_CHANNEL = "world/no-channel"


def channel_to(chain: "Chain", partner: str, port: str = PORT) -> str:
    """Return the open channel from a port to a partner chain, the newest if there are several.

    Raises:
        Rejected: `world/unknown-chain`, `world/no-channel`.
    """
    partner_id = chain.world.chain(partner).names.chain_id
    ends = [end for end in chain.query("ibc", "channels") if (end["port_id"], end["chain_id"]) == (port, partner_id)]
    names = [end["channel_id"] for end in ends if end["state"] == "OPEN"]
    if not names:
        raise Rejected(NO_CHANNEL, chain=chain.name, partner=partner, port=port)
    return str(max(names, key=lambda name: (len(name), name)))


def denom_of(chain: "Chain", text: str) -> str:
    """Return a denomination of a chain; `juno/osmosis/uosmo` is the voucher of a coin that came over juno from osmosis.

    Raises:
        Rejected: `world/unknown-chain`, `world/no-channel`.
    """
    *way, base = text.split("/")
    if not way or text.startswith(VOUCHER):
        return text
    path, here = "", chain
    for hop in way:
        path += f"{PORT}/{channel_to(here, hop)}/"
        here = here.world.chain(hop)
    return voucher_denom(path + base)
