"""The meshes that histories begin with: chains that lend to each other two ways or round, with stake on the way already."""

from dataclasses import dataclass
from itertools import permutations

from mesh_markets import connect
from mesh_rig import Link, MeshRig, terms
from meshsec_core.kernel.types import SECOND
from meshsec_core.security.mesh.provider.lending import StakeRemote
from meshsec_core.security.mesh.provider.local import StakeLocal
from meshsec_core.security.mesh.provider.vault import Bond

USERS = ("alice", "bob")
BONDS = (5_000, 3_000, 2_000, 1_000)
MOST_VALIDATORS = 8
CHAINS = ("osmo", "juno", "axelar")
ROUND = tuple(zip(CHAINS, (*CHAINS[1:], CHAINS[0]), strict=True))
TOPOLOGIES = {
    "pair": tuple(permutations(CHAINS[:2], 2)),
    "round": ROUND,
    "triangle": tuple(permutations(CHAINS, 2)),
}
"""Name to (provider, consumer) of every link; in a round the first secures the second, and so on."""


@dataclass(frozen=True)
class Setting:
    """What a history begins with."""

    topology: str
    users_per_block: int
    """How many users pay for a fault in one block; one lets faults wait while other things happen."""
    authority: str = "evidence"
    """Whose word slashes for a double sign."""
    to_community: bool = False
    floor_bps: int = 0
    """Least part of power that stays native."""


def build(setting: Setting) -> tuple[MeshRig, list[Link], dict[tuple[str, str], str]]:
    """Start a mesh; return it, its links, and by (asker, market) the channels that bring prices."""
    rig = MeshRig()
    ends = TOPOLOGIES[setting.topology]
    for name in CHAINS:
        if any(name in end for end in ends):
            rig.add(
                name,
                genesis=_genesis(setting, [provider for provider, consumer in ends if consumer == name]),
                validators=BONDS,
                **dict.fromkeys(USERS, 10_000),
                **{f"val-{index}": 5_000 for index in range(len(BONDS), MOST_VALIDATORS)},
            )
    links = [rig.link(*end) for end in ends]
    feeds = {}
    for provider, consumer in ends:
        market = next((name for name in rig.chains if name not in (provider, consumer)), provider)
        if (consumer, market) not in feeds:
            feeds[consumer, market] = connect(rig, rig.chains[consumer], rig.chains[market])
    rig.settle()
    for link in links:
        for user in USERS:
            link.provider.send(user, Bond(1_200))
            link.provider.send(user, StakeRemote(link.lent, link.validator(1), 800))
            link.provider.send(user, StakeRemote(link.lent, link.validator(2), 300))
    for chain in rig.chains.values():
        for user in USERS:
            chain.send(user, StakeLocal(chain.validator(1), 600))
    return rig, links, feeds


def _genesis(setting: Setting, providers: list[str]) -> dict[str, object]:
    lending = {"unbonding_time": 1_000 * SECOND, "correlated": True, "slash_authority": setting.authority}
    return {
        "mint": {"inflation_bps": 100_000, "interval": 1},
        "gov": {"min_deposit": 10, "voting_period": 2_000 * SECOND},
        "slashing": {
            "double_sign_slash_bps": 4_000,
            "downtime_slash_bps": 2_300,
            "jail_time": 0,
            "window": 4,
        },
        "mesh/provider": {"local_slash_bps": 4_000, "slashed_to_community": setting.to_community, "terms": lending},
        "mesh/consumer": {
            "local_floor_bps": setting.floor_bps,
            "links": {f"{name}-1": terms(max_cap=10**9) for name in providers},
        },
    }
