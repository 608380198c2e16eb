"""What happens to a mesh besides messages of users: packets, faults, time, and the life of links."""

from collections.abc import Callable, Mapping

from harness import Chain
from mesh_faults import double_sign, downtime
from mesh_rig import Flight, Link, MeshRig
from meshsec_core.ibc.channel import ChannelCloseInit
from meshsec_core.kernel.types import SECOND
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.slash import Fault, slash
from meshsec_core.security.mesh.consumer.governance import CloseLink, OpenLink
from meshsec_core.security.mesh.consumer.state import LinkParams
from meshsec_core.security.mesh.packets import CONSUMER_PORT, PROVIDER_PORT
from soak.scene import GOV, Mesh, Scene, bonded, nothing

LEAST_SIGNERS = 2
"""So many validators a chain keeps whatever happens."""
WAITS = (1, 90, 601, 1_001, 4_000, 90_000)
"""Seconds: within and beyond every timeout and unbonding time."""


def send(chain: Chain, who: str, msg: object) -> None:
    """Send a message of a user, or of governance."""
    chain.send(chain.ctx.module_account(GOV) if who == GOV else who, msg)  # type: ignore[arg-type]


# packets


def deliver(at: Scene) -> None:
    """Deliver any packet that waits: whichever comes first, others are late."""
    at.mesh.rig.receive(_waiting(at))


def deliver_twice(at: Scene) -> None:
    """Deliver a packet and deliver it again: the second time nothing happens."""
    flight = _waiting(at)
    if at.mesh.rig.receive(flight):
        assert at.mesh.rig.receive(flight) == flight.answer


def acknowledge(at: Scene) -> None:
    """Bring any answer home."""
    answered = [flight for flight in at.mesh.rig.collect() if flight.answer]
    at.mesh.rig.acknowledge(_one(at, answered))


def lose(at: Scene) -> None:
    """Let a packet never arrive: its time runs out on all chains, and it is given back."""
    flight = _waiting(at)
    late = flight.packet.timeout_timestamp - flight.target.ctx.time
    at.mesh.rig.block(1, late + SECOND)
    at.mesh.rig.time_out(flight)


def time_out(at: Scene) -> None:
    """Give a late packet back."""
    at.mesh.rig.time_out(_one(at, at.mesh.rig.expired()))


def relay(at: Scene) -> None:
    """Carry everything between two chains and back."""
    ends = {at.home.prefix, at.abroad.prefix}
    tell_all_closed(at.mesh)
    if not at.mesh.rig.relay(lambda flight: {flight.source.prefix, flight.target.prefix} == ends):
        raise nothing()


def _waiting(at: Scene) -> Flight:
    late = at.mesh.rig.expired()
    return _one(at, [flight for flight in at.mesh.rig.collect() if not flight.answer and flight not in late])


def _one(at: Scene, flights: list[Flight]) -> Flight:
    if not flights:
        raise nothing()
    return flights[at.pick % len(flights)]


# time


def block(at: Scene) -> None:
    """End the block on every chain."""
    at.mesh.rig.block()


def block_of_one(at: Scene) -> None:
    """End the block on one chain: its clock and its epochs go ahead of the others."""
    at.home.block()


def absent(at: Scene) -> None:
    """End blocks of one chain that a validator has not signed: enough of them are downtime."""
    if bonded(at.abroad) <= LEAST_SIGNERS:
        raise nothing()
    at.abroad.block(absent=[at.index(at.abroad)])


def wait(at: Scene) -> None:
    """Let time pass on all chains."""
    at.mesh.rig.advance(WAITS[at.pick % len(WAITS)])


# faults


def be_down(at: Scene) -> None:
    """Slash and jail a validator for downtime."""
    downtime(at.abroad, _guilty(at))


def sign_twice(at: Scene) -> None:
    """Let a chain punish its validator for a double sign, which tombstones it."""
    double_sign(at.abroad, _guilty(at))


def cut(at: Scene) -> None:
    """Slash a validator, which keeps signing."""
    chain, validator = at.abroad, at.there
    tokens = staking.get_validator(chain.state, validator).tokens
    fault = Fault("downtime", max(1, chain.ctx.height - at.pick % 3), chain.ctx.time, tokens, 500)
    with chain.ctx.branch() as branch:
        slash(branch, validator, fault)
    chain.events.extend(branch.events)


def _guilty(at: Scene) -> int:
    """Choose a validator who signs and can be done without."""
    index = at.index(at.abroad)
    record = staking.get_validator(at.abroad.state, at.abroad.validator(index))
    if bonded(at.abroad) <= LEAST_SIGNERS or record.status is not staking.Status.BONDED or record.jailed:
        raise nothing()
    return index


# the life of links


def close_borrowing(at: Scene) -> None:
    """Let the borrower's governance end a link."""
    send(at.abroad, GOV, CloseLink(at.link.link))


def close_lending(at: Scene) -> None:
    """Let the lender's governance end a link."""
    send(at.home, GOV, CloseLink(at.link.lent))


def close_channel(at: Scene) -> None:
    """Close the lender's end of a link over which nothing is lent any more."""
    send(at.home, "relayer", ChannelCloseInit(PROVIDER_PORT, at.link.lent))


def close_other_end(at: Scene) -> None:
    """Bring the news that one end is closed to the other."""
    if not tell_closed(at.mesh.rig, at.link):
        raise nothing()


def tell_all_closed(mesh: Mesh) -> None:
    """Bring all such news before all is relayed: what must be told is sent again, for ever if a closed end gives it back."""
    for link in mesh.links:
        tell_closed(mesh.rig, link)


def tell_closed(rig: MeshRig, link: Link) -> bool:
    """Close one end of a link if the other is; tell whether that was so."""
    match phases(link):
        case "closed", "open" | "closing":
            rig.close_other_end(link.provider, PROVIDER_PORT, link.lent)
        case "open" | "closing", "closed":
            rig.close_other_end(link.consumer, CONSUMER_PORT, link.link)
        case _:
            return False
    return True


def open_again(at: Scene) -> None:
    """Admit a provider again and open a new link."""
    send(at.abroad, GOV, OpenLink(at.home.ctx.chain_id, LinkParams(max_cap=10**9, reward_seconds=0)))
    if phases(at.link) != ("closed", "closed"):
        return
    links, ends = at.mesh.links, (at.home.prefix, at.abroad.prefix)
    at.mesh.past.setdefault(ends, []).append(at.link)
    links[links.index(at.link)] = at.mesh.rig.link(*ends)


def phases(link: Link) -> tuple[str, str]:
    """Return where the borrower and the lender see a link in its life."""
    here = link.consumer.query("mesh/consumer/link", link=link.link).phase
    there = link.provider.query("mesh/provider/link", link=link.lent).phase
    return str(here), str(there)


DEEDS: Mapping[str, Callable[[Scene], None]] = {
    "packet/deliver": deliver,
    "packet/deliver twice": deliver_twice,
    "packet/acknowledge": acknowledge,
    "packet/lose": lose,
    "packet/time out": time_out,
    "packet/relay all": relay,
    "time/block": block,
    "time/block of one chain": block_of_one,
    "time/block with one absent": absent,
    "time/wait": wait,
    "fault/downtime": be_down,
    "fault/double sign": sign_twice,
    "fault/slash": cut,
    "mesh/CloseLink by the borrower": close_borrowing,
    "mesh/CloseLink by the lender": close_lending,
    "mesh/OpenLink": open_again,
    "channel/close the lender's end": close_channel,
    "channel/close the other end": close_other_end,
}
