"""Histories out of numbers: how often each kind of action comes, and what a seed stands for."""

import random
from collections.abc import Mapping

from meshsec_core.security.mesh.provider import sweep
from soak.meshes import TOPOLOGIES, Setting
from soak.play import SETTLE
from soak.scene import Step

WEIGHTS: Mapping[str, int] = {
    "mesh/Bond": 6,
    "mesh/Unbond": 3,
    "mesh/StakeLocal": 4,
    "mesh/Restake": 3,
    "mesh/VoteLocal": 2,
    "mesh/VoteLocalWeighted": 2,
    "mesh/UnstakeLocal": 4,
    "mesh/ReleaseLocal": 2,
    "mesh/RestakeLocal": 3,
    "mesh/WithdrawLocalRewards": 2,
    "mesh/StakeRemote": 14,
    "mesh/Unstake": 6,
    "mesh/Leave": 3,
    "mesh/WithdrawUnbonded": 4,
    "mesh/WithdrawRewards": 5,
    "mesh/SubmitEvidence": 2,
    "mesh/SubmitEvidence of an attack": 1,
    "mesh/LinkIdentity": 3,
    "mesh/SetRewardPolicy": 3,
    "mesh/SetMaxCap": 5,
    "mesh/SetPriceFeed": 4,
    "mesh/SetPriceFeed from elsewhere": 3,
    "mesh/SetLinkParams": 6,
    "mesh/CloseLink by the borrower": 1,
    "mesh/CloseLink by the lender": 1,
    "mesh/OpenLink": 3,
    "prices/Quote": 5,
    "gov/Submit": 3,
    "gov/Vote": 1,
    "slashing/Unjail": 4,
    "staking/CreateValidator": 1,
    "staking/Delegate": 4,
    "staking/Undelegate": 2,
    "staking/Redelegate": 2,
    "packet/deliver": 30,
    "packet/deliver twice": 4,
    "packet/acknowledge": 24,
    "packet/lose": 2,
    "packet/time out": 8,
    "packet/relay all": 6,
    "time/block": 12,
    "time/block of one chain": 6,
    "time/block with one absent": 5,
    "time/wait": 5,
    SETTLE: 2,
    "fault/downtime": 3,
    "fault/double sign": 1,
    "fault/slash": 3,
    "channel/close the lender's end": 2,
    "channel/close the other end": 5,
}
"""Kind to how often it comes, of all kinds together."""

_KINDS = tuple(WEIGHTS)
_SHARES = tuple(WEIGHTS.values())


def setting_of(seed: int) -> Setting:
    """Return what a seed's history begins with."""
    dice = random.Random(f"setting {seed}")
    return Setting(
        topology=tuple(TOPOLOGIES)[seed % len(TOPOLOGIES)],
        users_per_block=dice.choice((1, sweep.USERS_PER_BLOCK)),
        authority=dice.choice(("evidence", "packet")),
        to_community=dice.random() < 0.3,
        floor_bps=dice.choice((0, 0, 3_000)),
    )


def steps_of(seed: int, length: int) -> list[Step]:
    """Return the actions that a seed stands for."""
    dice = random.Random(f"steps {seed}")
    kinds = dice.choices(_KINDS, _SHARES, k=length)
    return [
        Step(
            kind,
            dice.randrange(6),
            dice.randrange(2),
            dice.randrange(60),
            dice.choice((dice.randint(1, 60), dice.randint(1, 1_300))),
        )
        for kind in kinds
    ]
