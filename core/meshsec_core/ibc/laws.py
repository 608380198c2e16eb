"""What holds across chains that exchange coins: vouchers are backed by escrow, unit by unit (law 10).

A channel is judged if both of its ends are among the views and name each other. While packets are under way on it, escrow may
exceed the vouchers, because coins are locked before vouchers are made and vouchers are burned before coins are released.
"""

from collections.abc import Iterator
from typing import NamedTuple

from meshsec_core.ibc.channel import CHANNELS, client_of
from meshsec_core.ibc.client import client_chain_id
from meshsec_core.ibc.packet import COMMITMENTS
from meshsec_core.ibc.transfer import ESCROWS, PORT, TRACES, VOUCHER, path_of
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import Denom
from meshsec_core.kernel.wire.ibc import voucher_denom
from meshsec_core.modules import bank
from meshsec_core.runtime.law import Law, Views


class Pair(NamedTuple):
    """A transfer channel with both ends."""

    here: Reader
    channel: str
    there: Reader
    their_channel: str


def pairs(views: Views) -> Iterator[Pair]:
    """Yield every transfer channel twice, once from either end, if both ends are among the views and name each other."""
    prefix = CHANNELS.key(PORT, "")
    for chain_id in sorted(views):
        here = views[chain_id].store
        for key, _ in here.scan(prefix):
            channel_id = key.removeprefix(prefix)
            there_id = client_chain_id(here, client_of(here, PORT, channel_id))
            other = CHANNELS.get(here, PORT, channel_id).counterparty.channel_id
            there = views[there_id].store if there_id in views else None
            end = None if there is None or not other else CHANNELS.find(there, PORT, other)
            if there is None or end is None or end.counterparty.channel_id != channel_id:
                continue
            if client_chain_id(there, client_of(there, PORT, other)) == chain_id:
                yield Pair(here, channel_id, there, other)


def escrow_equals_vouchers(views: Views) -> None:
    """Law 10: what a channel holds of a coin is what exists of its voucher at the other end, or more while packets are under way.

    Raises:
        InvariantViolated: vouchers without backing, or coins that nobody can claim.
    """
    for pair in pairs(views):
        at_rest = not _busy(pair.here, pair.channel) and not _busy(pair.there, pair.their_channel)
        held, vouchers = _held(pair), _vouchers(pair)
        for denom in sorted({*held, *vouchers}):
            locked, made = held.get(denom, 0), vouchers.get(denom, 0)
            if locked < made or (at_rest and locked != made):
                raise InvariantViolated(
                    f"{pair.channel} holds {locked} for {made} of {denom} behind {pair.their_channel}, at rest: {at_rest}"
                )


def _busy(store: Reader, channel_id: str) -> bool:
    """Tell whether packets have been sent over a channel that are not settled."""
    return any(True for _ in store.scan(COMMITMENTS.key(PORT, channel_id, "")))


def _held(pair: Pair) -> dict[Denom, int]:
    """Return what is in escrow, by the voucher that stands for it."""
    hop = f"{PORT}/{pair.their_channel}/"
    return {
        Denom(voucher_denom(hop + path_of(pair.here, Denom(denom)))): amount
        for (denom,), amount in ESCROWS.items(pair.here, pair.channel)
    }


def _vouchers(pair: Pair) -> dict[Denom, int]:
    """Return how much there is of every voucher that came over the channel; what went on to a third chain counts."""
    hop = f"{PORT}/{pair.their_channel}/"
    names = (Denom(VOUCHER + name) for (name,), trace in TRACES.items(pair.there) if trace.path.startswith(hop))
    return {denom: made for denom in names if (made := bank.supply(pair.there, denom))}


LAWS = (Law("escrow equals vouchers", always=True, check=escrow_equals_vouchers),)
"""What whoever watches a whole mesh checks beside the laws of its models."""
