"""The lending side as a module."""

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_BPS
from meshsec_core.modules import bank
from meshsec_core.modules.staking.signals import ValidatorSlashed
from meshsec_core.runtime.module import Ctx, Handler, Module, Msg
from meshsec_core.security.mesh.links import BAD_PARAMS
from meshsec_core.security.mesh.packets import PROVIDER_PORT
from meshsec_core.security.mesh.provider import evidence, laws, lending, local, overlap, payout, policy, sweep, vault, views
from meshsec_core.security.mesh.provider.channel import PORT
from meshsec_core.security.mesh.provider.state import GENESIS, VAULT, ProviderGenesis, Terms


def settled(handler: Handler) -> Handler:
    """Let the signer pay for faults that have been charged before a message of theirs runs."""

    def run(ctx: Ctx, msg: Msg) -> None:
        sweep.settle(ctx, ctx.signer)
        handler(ctx, msg)

    return run


def init(ctx: Ctx, genesis: ProviderGenesis) -> None:
    """Write the rules and close the vault's account to transfers.

    Raises:
        Rejected: `mesh/bad-params` with the field.
    """
    if not 0 <= genesis.local_slash_bps <= ONE_BPS:
        raise Rejected(BAD_PARAMS, field="local_slash_bps")
    for name, terms in (("terms", genesis.terms), *sorted(genesis.links.items())):
        _check_terms(name, terms)
    GENESIS.put(ctx.store, genesis)
    bank.reserve(ctx, VAULT)


def _check_terms(name: str, terms: Terms) -> None:
    ratios = (terms.double_sign_bps, terms.downtime_bps)
    if not all(0 <= ratio <= ONE_BPS for ratio in ratios) or terms.unbonding_time < 0:
        raise Rejected(BAD_PARAMS, field=name)


PROVIDER: Module[ProviderGenesis] = Module(
    "mesh/provider",
    handlers={
        vault.Bond: settled(vault.bond),
        vault.Unbond: settled(vault.unbond),
        local.StakeLocal: settled(local.stake_local),
        local.Restake: settled(local.restake),
        local.VoteLocal: settled(local.vote_local),
        local.VoteLocalWeighted: settled(local.vote_local_weighted),
        local.UnstakeLocal: settled(local.unstake_local),
        local.ReleaseLocal: settled(local.release_local),
        local.RestakeLocal: settled(local.restake_local),
        local.WithdrawLocalRewards: settled(local.withdraw_local_rewards),
        lending.StakeRemote: settled(lending.stake_remote),
        lending.Unstake: settled(lending.unstake),
        lending.Leave: settled(lending.leave),
        lending.WithdrawUnbonded: settled(lending.withdraw_unbonded),
        payout.WithdrawRewards: settled(payout.withdraw_rewards),
        evidence.SubmitEvidence: evidence.submit_evidence,
        overlap.LinkIdentity: overlap.link_identity,
        policy.SetRewardPolicy: policy.set_reward_policy,
    },
    genesis=ProviderGenesis,
    init=init,
    end_block=sweep.run,
    hooks={ValidatorSlashed: local.on_validator_slashed},
    ports={PROVIDER_PORT: PORT},
    queries=views.QUERIES,
    laws=laws.LAWS,
    stores=("mesh",),
)
"""The lending side of Mesh Security."""
