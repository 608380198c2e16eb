"""The messages of Mesh Security, for `User.send`: `mesh.Bond(100_000_000)`, `mesh.StakeRemote("juno", "juno/val-0", 80_000_000)`.

Chains, validators and users may be given by their development names; amounts are base units.
"""

from meshsec_core.security.mesh.consumer.governance import CloseLink, OpenLink, SetLinkParams, SetMaxCap, SetPriceFeed
from meshsec_core.security.mesh.provider.evidence import SubmitEvidence
from meshsec_core.security.mesh.provider.lending import Leave, StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.local import (
    ReleaseLocal,
    Restake,
    RestakeLocal,
    StakeLocal,
    UnstakeLocal,
    VoteLocal,
    VoteLocalWeighted,
    WithdrawLocalRewards,
)
from meshsec_core.security.mesh.provider.overlap import LinkIdentity
from meshsec_core.security.mesh.provider.payout import WithdrawRewards
from meshsec_core.security.mesh.provider.policy import SetRewardPolicy
from meshsec_core.security.mesh.provider.vault import Bond, Unbond

__all__ = [
    "Bond",
    "CloseLink",
    "Leave",
    "LinkIdentity",
    "OpenLink",
    "ReleaseLocal",
    "Restake",
    "RestakeLocal",
    "SetLinkParams",
    "SetMaxCap",
    "SetPriceFeed",
    "SetRewardPolicy",
    "StakeLocal",
    "StakeRemote",
    "SubmitEvidence",
    "Unbond",
    "Unstake",
    "UnstakeLocal",
    "VoteLocal",
    "VoteLocalWeighted",
    "WithdrawLocalRewards",
    "WithdrawRewards",
    "WithdrawUnbonded",
]
