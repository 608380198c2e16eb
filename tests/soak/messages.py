"""Every message of Mesh Security, and those of other modules that it answers to, as random actions."""

from collections.abc import Callable, Mapping

from harness import Chain
from mesh_faults import attack_on, double_vote, evidence_for, identity
from mesh_rig import E18, Link
from meshsec_core.ibc.prices import Quote
from meshsec_core.kernel.types import ValidatorId
from meshsec_core.modules.gov.module import Submit, Vote
from meshsec_core.modules.gov.state import Option
from meshsec_core.modules.slashing import Unjail
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.module import CreateValidator, Delegate, Redelegate, Undelegate
from meshsec_core.runtime.module import Msg
from meshsec_core.security.mesh.consumer.governance import SetLinkParams, SetMaxCap, SetPriceFeed
from meshsec_core.security.mesh.consumer.state import Epochs, Feed
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
from meshsec_core.security.mesh.provider.payout import WithdrawRewards
from meshsec_core.security.mesh.provider.policy import SetRewardPolicy
from meshsec_core.security.mesh.provider.state import OVERLAPS
from meshsec_core.security.mesh.provider.vault import Bond, Unbond
from meshsec_core.security.mesh.rewards import Split
from soak.meshes import MOST_VALIDATORS
from soak.scene import GOV, Scene, nothing

Sent = tuple[Chain, str, Msg]
"""Where, by whom, what."""

PLENTY = 10**9


def restake_local(at: Scene) -> Sent:
    source, amount = at.staked_locally
    return at.home, at.user, RestakeLocal(source, _another(at, source), amount)


def redelegate(at: Scene) -> Sent:
    source, amount = at.staked(at.user)
    return at.home, at.user, Redelegate(source, _another(at, source), amount)


def _another(at: Scene, source: ValidatorId) -> ValidatorId:
    others = [each for each in map(at.home.validator, range(len(at.home.bonds))) if each != source]
    return others[at.pick % len(others)]


def withdraw_rewards(at: Scene) -> Sent:
    link = at.old_link
    return at.home, at.user, WithdrawRewards(link.lent, at.abroad.validator(at.chosen), link.consumer.address("fresh"))


def prove_double_sign(at: Scene) -> Sent:
    if len(_signers(at.link)) < 3:
        raise nothing()
    return at.home, "bob", evidence_for(at.link, double_vote(at.abroad, at.index(at.abroad)))


def prove_attack(at: Scene) -> Sent:
    """Show two blocks that all have signed but for the smallest of at least four."""
    signers = _signers(at.link)
    if len(signers) < 4:
        raise nothing()
    return at.home, "bob", attack_on(at.link, absent=(signers[-1],), app_hash=b"x" * 32)


def _signers(link: Link) -> list[int]:
    """Return the validators of the consumer who sign, the strongest first."""
    chain = link.consumer
    powers = {member.operator: member.power for member in staking.active_set(chain.state)}
    known = [index for index in range(len(chain.bonds)) if chain.validator(index) in powers]
    return sorted(known, key=lambda index: -powers[chain.validator(index)])


def link_identity(at: Scene) -> Sent:
    here, there = at.pick % len(at.home.bonds), at.index(at.abroad)
    return at.home, f"val-{here}", identity(at.link, here, there)


def set_reward_policy(at: Scene) -> Sent:
    """Let an operator who has joined validators choose what it takes."""
    joined = list(OVERLAPS.items(at.home.state, at.link.lent))
    if not joined:
        raise nothing()
    (there,), overlap = joined[at.amount % len(joined)]
    split = [*Split][at.pick % len(Split)]
    rate = at.amount * 7 % 10_000 if split is Split.PER_LINK else 0
    owner = staking.owner(at.home.prefix, overlap.operator)
    return at.home, owner, SetRewardPolicy(at.link.lent, ValidatorId(there), split, rate)


def set_max_cap(at: Scene) -> Sent:
    cap = (at.amount, 0, PLENTY, PLENTY)[at.pick % 4]
    return at.abroad, GOV, SetMaxCap(at.link.link, cap)


def set_price(at: Scene) -> Sent:
    return at.abroad, GOV, SetPriceFeed(at.link.link, E18 * (at.amount % 50 + 1) // 17)


def follow_price(at: Scene) -> Sent:
    """Ask a third chain for the price, or the provider where there is none."""
    market = next((name for name in at.mesh.rig.chains if name not in (at.home.prefix, at.abroad.prefix)), at.home.prefix)
    channel = at.mesh.feeds[at.abroad.prefix, market]
    feed = Feed(channel, at.home.ctx.denom, at.abroad.ctx.denom, 1 + at.amount % 300, 90, 60 + at.amount)
    return at.abroad, GOV, SetPriceFeed(at.link.link, E18, feed)


def quote(at: Scene) -> Sent:
    chains = [*at.mesh.rig.chains.values()]
    base, counter = at.home.ctx.denom, at.abroad.ctx.denom
    return chains[at.pick % len(chains)], GOV, Quote(base, counter, E18 * (at.amount % 50 + 1) // 17)


def set_link_params(at: Scene) -> Sent:
    link, part = at.link.link, at.amount % 9_000
    changes = (
        SetLinkParams(link, discount_bps=part),
        SetLinkParams(link, share_cap_bps=part),
        SetLinkParams(link, share_cap_bps=0),
        SetLinkParams(link, validator_cap_bps=part),
        SetLinkParams(link, validator_cap_bps=0),
        SetLinkParams(link, epochs=Epochs(blocks=1 + at.amount % 3, offset=at.amount % 2)),
        SetLinkParams(link, epochs=Epochs(blocks=1)),
        SetLinkParams(link, epochs=Epochs(seconds=1 + at.amount % 3)),
        SetLinkParams(link, reward_seconds=(0, 500)[at.amount % 2]),
        SetLinkParams(link, voice_bps=(0, 5_000, 10_000)[at.amount % 3]),
    )
    return at.abroad, GOV, changes[at.pick % len(changes)]


def create_validator(at: Scene) -> Sent:
    """Found a further validator; its key is known to whoever makes faults from then on."""
    chain, number = at.home, len(at.home.bonds)
    if number == MOST_VALIDATORS:
        raise nothing()
    chain.bonds = (*chain.bonds, 1_000 + at.amount)
    key = chain.consensus_key(number).public_key
    return chain, f"val-{number}", CreateValidator(f"val-{number}", key, 0, 1_000 + at.amount)


def _proposal(at: Scene) -> int:
    return 1 + at.pick % 3


MESSAGES: Mapping[str, Callable[[Scene], Sent]] = {
    "mesh/Bond": lambda at: (at.home, at.user, Bond(at.amount)),
    "mesh/Unbond": lambda at: (at.home, at.user, Unbond(at.amount)),
    "mesh/StakeLocal": lambda at: (at.home, at.user, StakeLocal(at.here, at.amount)),
    "mesh/Restake": lambda at: (at.home, at.user, Restake(*at.staked(at.user))),
    "mesh/VoteLocal": lambda at: (at.home, at.user, VoteLocal(_proposal(at), [*Option][at.amount % 4])),
    "mesh/VoteLocalWeighted": lambda at: (
        at.home,
        at.user,
        VoteLocalWeighted(_proposal(at), {Option.YES: at.amount, Option.NO: 10_000 - at.amount}),
    ),
    "mesh/UnstakeLocal": lambda at: (at.home, at.user, UnstakeLocal(*at.staked_locally)),
    "mesh/ReleaseLocal": lambda at: (at.home, at.user, ReleaseLocal()),
    "mesh/RestakeLocal": restake_local,
    "mesh/WithdrawLocalRewards": lambda at: (at.home, at.user, WithdrawLocalRewards(at.here)),
    "mesh/StakeRemote": lambda at: (at.home, at.user, StakeRemote(at.link.lent, at.there, at.amount)),
    "mesh/Unstake": lambda at: (at.home, at.user, Unstake(at.link.lent, *at.lent)),
    "mesh/Leave": lambda at: (at.home, at.user, Leave(at.link.lent, *at.lent)),
    "mesh/WithdrawUnbonded": lambda at: (at.home, at.user, WithdrawUnbonded(at.old_link.lent)),
    "mesh/WithdrawRewards": withdraw_rewards,
    "mesh/SubmitEvidence": prove_double_sign,
    "mesh/SubmitEvidence of an attack": prove_attack,
    "mesh/LinkIdentity": link_identity,
    "mesh/SetRewardPolicy": set_reward_policy,
    "mesh/SetMaxCap": set_max_cap,
    "mesh/SetPriceFeed": set_price,
    "mesh/SetPriceFeed from elsewhere": follow_price,
    "mesh/SetLinkParams": set_link_params,
    "prices/Quote": quote,
    "gov/Submit": lambda at: (at.home, at.user, Submit("a proposal", (), 10)),
    "gov/Vote": lambda at: (at.home, f"val-{at.amount % 4}", Vote(_proposal(at), [*Option][at.pick % 4])),
    "slashing/Unjail": lambda at: (at.home, f"val-{at.index(at.home)}", Unjail()),
    "staking/CreateValidator": create_validator,
    "staking/Delegate": lambda at: (at.home, at.user, Delegate(at.here, at.amount)),
    "staking/Undelegate": lambda at: (at.home, at.user, Undelegate(*at.staked(at.user))),
    "staking/Redelegate": redelegate,
}
"""Kind to who sends what where. `OpenLink` and `CloseLink` are in `deeds`, with the handshakes that belong to them."""
