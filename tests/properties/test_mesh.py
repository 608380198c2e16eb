"""Random histories of two chains that secure each other, with packets lost, late and out of order: the laws always hold.

After every action the laws marked "always" are checked, and at the end, when everything has been relayed, all of them.
`MESHSEC_HISTORIES` says how many histories are tried.
"""

import os
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import Chain
from mesh_faults import double_sign, double_vote, downtime, evidence_for
from mesh_rig import E18, Link, pair
from meshsec_core.kernel.errors import Rejected
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.slash import Fault, slash
from meshsec_core.runtime.module import Msg
from meshsec_core.security.mesh.consumer.governance import CloseLink, OpenLink, SetLinkParams, SetMaxCap, SetPriceFeed
from meshsec_core.security.mesh.consumer.state import LinkParams
from meshsec_core.security.mesh.packets import PROVIDER_PORT
from meshsec_core.security.mesh.provider import sweep
from meshsec_core.security.mesh.provider.lending import Leave, StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.local import ReleaseLocal, RestakeLocal, StakeLocal, UnstakeLocal
from meshsec_core.security.mesh.provider.payout import WithdrawRewards
from meshsec_core.security.mesh.provider.vault import Bond, Unbond

USERS = ("alice", "bob")


class Play:
    """A mesh under test, and the actions that numbers stand for."""

    def __init__(self) -> None:
        self.pick = 0
        self.rig, there = pair(
            both_ways=True,
            alice=10_000,
            bob=10_000,
            validators=(5_000, 3_000, 2_000),
            genesis={
                "mint": {"inflation_bps": 100_000, "interval": 1},
                "slashing": {"double_sign_slash_bps": 4_000, "downtime_slash_bps": 2_300, "jail_time": 0},
            },
            provider_terms={"unbonding_time": 1_000 * 10**9},
            local_slash_bps=4_000,
        )
        self.links = [there, self.rig.link("juno", "osmo")]
        self.rig.settle()
        for link in self.links:
            for user in USERS:
                link.provider.send(user, Bond(1_200), StakeLocal(link.provider.validator(1), 1_000))
                link.provider.send(user, StakeRemote(link.lent, link.validator(1), 800))
                link.provider.send(user, StakeRemote(link.lent, link.validator(2), 300))
        self.rig.relay(lambda flight: flight.source is there.provider)

    def act(self, number: int, who: int, pick: int, amount: int) -> None:
        """Do one thing; what is refused is refused."""
        self.pick = pick
        actions: tuple[Callable[[Link, str, int], None], ...] = (
            self.lend, self.lend, self.lend, self.user, self.user, self.user, self.user, self.deliver, self.deliver,
            self.deliver, self.deliver, self.answer, self.answer, self.fault, self.govern, self.wait, self.block, self.relay,
            self.close,
        )  # fmt: skip
        link = self.links[who % 2]
        with suppress(Rejected):
            actions[number % len(actions)](link, USERS[who // 2 % 2], amount)
        self.rig.collect()
        self.rig.check(settled=False)

    def lend(self, link: Link, user: str, amount: int) -> None:
        link.provider.send(user, StakeRemote(link.lent, link.validator(amount % 3), amount))

    def user(self, link: Link, user: str, amount: int) -> None:
        home = link.provider
        index = amount % 3
        here, other = home.validator(index), home.validator((amount + 1) % 3)
        remote = link.validator(index)
        msgs: tuple[Msg, ...] = (
            Bond(amount),
            StakeLocal(here, amount),
            StakeLocal(here, amount),
            UnstakeLocal(here, amount // 2),
            Unbond(amount),
            RestakeLocal(here, other, amount // 2),
            ReleaseLocal(),
            Unstake(link.lent, remote, min(amount, link.range(user, index).low)),
            Unstake(link.lent, remote, link.range(user, index).low),
            Leave(link.lent, remote, min(amount, link.range(user, index).low)),
            WithdrawUnbonded(link.lent),
            WithdrawRewards(link.lent, remote, link.consumer.address("fresh")),
        )
        home.send(user, msgs[self.pick % len(msgs)])

    def deliver(self, link: Link, user: str, amount: int) -> None:
        late = self.rig.expired()
        waiting = [flight for flight in self.rig.collect() if not flight.answer and flight not in late]
        if waiting:
            flight = waiting[self.pick % len(waiting)]
            self.rig.receive(flight)
            if amount % 5 == 0 and flight.answer:
                assert self.rig.receive(flight) == flight.answer

    def answer(self, link: Link, user: str, amount: int) -> None:
        waiting = [flight for flight in self.rig.collect() if flight.answer]
        if waiting:
            self.rig.acknowledge(waiting[self.pick % len(waiting)])

    def fault(self, link: Link, user: str, amount: int) -> None:
        index = amount % 3
        chain = link.consumer
        if bonded(chain) < 3 or index == 0:
            index = 0
            chain = link.provider if amount % 2 else chain
            slash_only(chain, 0)
            return
        match self.pick % 4:
            case 0 | 1:
                downtime(chain, index)
            case 2:
                link.provider.send("bob", evidence_for(link, double_vote(chain, index)))
            case _:
                double_sign(chain, index)

    def govern(self, link: Link, user: str, amount: int) -> None:
        msgs: tuple[Msg, ...] = (
            SetPriceFeed(link.link, E18 * (amount % 50 + 1) // 17),
            SetMaxCap(link.link, amount),
            SetMaxCap(link.link, 0),
            SetMaxCap(link.link, 10**9),
            SetMaxCap(link.link, 10**9),
            SetLinkParams(link.link, discount_bps=amount % 9_000),
        )
        govern(link.consumer, msgs[self.pick % len(msgs)])

    def close(self, link: Link, user: str, amount: int) -> None:
        """Close a link, or bring the news to its other end, or open it again: whatever comes next in its life."""
        borrower, lender = link.consumer, link.provider
        here = borrower.query("mesh/consumer/link", link=link.link)
        match here.phase, lender.query("mesh/provider/link", link=link.lent).phase:
            case "open", _:
                govern(borrower, CloseLink(link.link))
            case "closed", "open":
                self.rig.close_other_end(lender, PROVIDER_PORT, link.lent)
            case "closed", "closed":
                govern(borrower, OpenLink(lender.ctx.chain_id, LinkParams(max_cap=10**9, reward_seconds=0)))
                self.links[self.links.index(link)] = self.rig.link(lender.prefix, borrower.prefix)

    def wait(self, link: Link, user: str, amount: int) -> None:
        self.rig.advance((1, 90, 601, 1_001, 4_000, 90_000)[self.pick % 6])
        for flight in self.rig.expired():
            if amount % 2:
                self.rig.time_out(flight)

    def relay(self, link: Link, user: str, amount: int) -> None:
        self.rig.relay()

    def block(self, link: Link, user: str, amount: int) -> None:
        self.rig.block(1 + amount % 3)

    def finish(self) -> None:
        self.rig.settle()


def govern(chain: Chain, msg: Msg) -> None:
    chain.send(chain.ctx.module_account("gov"), msg)


def bonded(chain: Chain) -> int:
    return len(staking.active_set(chain.state))


def slash_only(chain: Chain, index: int) -> None:
    """Slash without jailing, so that the chain keeps a validator."""
    validator = chain.validator(index)
    tokens = staking.get_validator(chain.state, validator).tokens
    with chain.ctx.branch() as branch:
        slash(branch, validator, Fault("downtime", max(1, chain.ctx.height - 1), chain.ctx.time, tokens, 500))
    chain.events.extend(branch.events)


STEPS = st.lists(
    st.tuples(st.integers(0, 18), st.integers(0, 3), st.integers(0, 59), st.one_of(st.integers(1, 60), st.integers(1, 1_300))),
    min_size=5,
    max_size=45,
)


@settings(max_examples=int(os.environ.get("MESHSEC_HISTORIES", "40")), deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS, st.sampled_from((1, sweep.USERS_PER_BLOCK)))
def test_the_laws_hold_in_every_history(steps: list[tuple[int, int, int, int]], users_per_block: int) -> None:
    """Slashes are settled at once in some histories, and over blocks in others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "USERS_PER_BLOCK", users_per_block)
        play = Play()
        for step in steps:
            play.act(*step)
        play.finish()
