"""Random histories of stake, faults, rewards and time: every law holds after each step, and nothing else moves a stake."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from harness import SELF_BOND, Chain
from meshsec_core.kernel.crypto import address_of
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.modules import bank
from meshsec_core.modules.auth import AUTH
from meshsec_core.modules.bank import BANK
from meshsec_core.modules.distribution import DISTRIBUTION, WithdrawCommission, WithdrawRewards
from meshsec_core.modules.mint import MINT
from meshsec_core.modules.slashing import SLASHING, Unjail
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.delegation import undelegate_now
from meshsec_core.modules.staking.module import STAKING, Delegate, Redelegate, Undelegate
from meshsec_core.modules.staking.signals import ValidatorSlashed
from meshsec_core.modules.staking.slash import Fault, loss, slash
from meshsec_core.modules.staking.unbonding import recall
from meshsec_core.runtime.module import Ctx, Misbehaviour, Module, Msg

DAY = 24 * 3600 * SECOND
NAMES = ("alice", "bob", "carol")
FUNDS = 10**6

users = st.sampled_from(NAMES)
validators = st.integers(0, 3)
amounts = st.one_of(st.integers(1, 50), st.integers(1, FUNDS))


class Ledger:
    """What each delegation should be worth, kept by the plainest rules, from messages and from what slashes report."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.worth: dict[tuple[str, int], int] = {(f"val-{index}", index): bond for index, bond in enumerate(chain.bonds)}

    def add(self, name: str, index: int, amount: int) -> None:
        self.worth[name, index] = self.worth.get((name, index), 0) + amount

    def hear(self, ctx: Ctx, slashed: ValidatorSlashed) -> None:
        names = {self.chain.address(name): name for name in (*NAMES, *(f"val-{index}" for index in range(4)))}
        indexes = {self.chain.validator(index): index for index in range(4)}
        unbonding = dict(slashed.unbonding_cuts)
        for address, name in names.items():
            left = unbonding.get(address, 0)
            self.add(name, indexes[slashed.validator], left - loss(ctx.store, address, slashed))
        for (name, index), worth in self.worth.items():
            actual = staking.delegation_value(ctx.store, self.chain.address(name), self.chain.validator(index))
            moved = sum(
                cut for owner, target, cut in slashed.redelegation_cuts if (names[owner], indexes[target]) == (name, index)
            )
            assert worth - moved <= actual <= worth, "a slash takes redelegated stake from its target, at most what it reports"
            self.worth[name, index] = actual


class Economy(RuleBasedStateMachine):
    """Three users, four validators, everything that staking allows."""

    @initialize(
        commission=st.sampled_from([0, 1_000, 3_333, 10_000]),
        inflation=st.sampled_from([0, 700, 50_000]),
        reduction=st.sampled_from([1, 1_000]),
        to_community=st.booleans(),
    )
    def start(self, commission: int, inflation: int, reduction: int, to_community: bool) -> None:
        rules: dict[str, dict[str, Any]] = {
            "staking": {
                "commission_bps": commission,
                "power_reduction": reduction,
                "slashed_to_community": to_community,
                "max_validators": 3,
                "max_entries": 5,
                "evidence_age_blocks": 30,
            },
            "mint": {"inflation_bps": inflation},
            "slashing": {"window": 6},
        }
        listener: Module[None] = Module("listener", hooks={ValidatorSlashed: lambda ctx, slashed: self.ledger.hear(ctx, slashed)})
        self.chain = Chain(
            (AUTH, BANK, STAKING, SLASHING, MINT, DISTRIBUTION, listener),
            validators=(SELF_BOND, SELF_BOND + 1, SELF_BOND // 3, 7_777),
            balances=dict.fromkeys((*NAMES, "payer"), FUNDS),
            modules_genesis=rules,
        )
        self.ledger = Ledger(self.chain)

    def attempt(self, signer: str, msg: Msg) -> bool:
        try:
            self.chain.send(signer, msg)
        except Rejected:
            return False
        return True

    @rule(name=users, index=validators, amount=amounts)
    def delegate(self, name: str, index: int, amount: int) -> None:
        if self.attempt(name, Delegate(self.chain.validator(index), amount)):
            self.ledger.add(name, index, amount)

    @rule(name=users, index=validators, amount=amounts)
    def undelegate(self, name: str, index: int, amount: int) -> None:
        worth = self.ledger.worth.get((name, index), 0)
        if self.attempt(name, Undelegate(self.chain.validator(index), min(amount, worth + 1))):
            self.ledger.add(name, index, -min(amount, worth + 1))

    @rule(index=validators, part=st.integers(1, 4))
    def operator_leaves(self, index: int, part: int) -> None:
        name = f"val-{index}"
        amount = self.ledger.worth[name, index] * part // 4
        if self.attempt(name, Undelegate(self.chain.validator(index), amount)):
            self.ledger.add(name, index, -amount)

    @rule(name=users, source=validators, goal=validators, amount=amounts)
    def redelegate(self, name: str, source: int, goal: int, amount: int) -> None:
        amount = min(amount, self.ledger.worth.get((name, source), 0))
        if self.attempt(name, Redelegate(self.chain.validator(source), self.chain.validator(goal), amount)):
            self.ledger.add(name, source, -amount)
            self.ledger.add(name, goal, amount)

    @rule(name=users, index=validators, amount=amounts)
    def take_back_at_once(self, name: str, index: int, amount: int) -> None:
        worth = self.ledger.worth.get((name, index), 0)
        if worth:
            taken = undelegate_now(self.chain.ctx, self.chain.address(name), self.chain.validator(index), min(amount, worth))
            assert taken == min(amount, worth)
            self.ledger.add(name, index, -taken)

    @rule(name=users, amount=amounts)
    def recall(self, name: str, amount: int) -> None:
        before = self.chain.balance(name)
        assert recall(self.chain.ctx, self.chain.address(name), amount) == self.chain.balance(name) - before

    @rule(amount=st.integers(1, 1_000))
    def pay_fees(self, amount: int) -> None:
        chain = self.chain
        bank.send(chain.ctx, chain.address("payer"), chain.ctx.module_account("fees"), chain.machine.denom, amount)

    @rule(name=users, index=validators)
    def withdraw(self, name: str, index: int) -> None:
        self.attempt(name, WithdrawRewards(self.chain.validator(index)))

    @rule(index=validators)
    def withdraw_commission(self, index: int) -> None:
        self.attempt(f"val-{index}", WithdrawCommission())

    @rule(index=validators, back=st.integers(0, 5), fraction=st.sampled_from([1, 100, 500, 3_333, 10_000]))
    def slash(self, index: int, back: int, fraction: int) -> None:
        ctx = self.chain.ctx
        power = staking.power(staking.get_validator(ctx.store, self.chain.validator(index)).tokens, staking.params(ctx.store))
        slash(ctx, self.chain.validator(index), Fault("downtime", max(0, ctx.height - back), 0, power, fraction))

    @precondition(lambda self: self.chain.ctx.height > 2)
    @rule(index=validators, back=st.integers(0, 4))
    def double_sign(self, index: int, back: int) -> None:
        address = address_of(self.chain.consensus_key(index).public_key)
        height = max(1, self.chain.ctx.height - back)
        self.chain.block(misbehaviour=[Misbehaviour("duplicate-vote", address, height, self.chain.ctx.time, 1, 1)])

    @rule(index=validators)
    def unjail(self, index: int) -> None:
        self.attempt(f"val-{index}", Unjail())

    @rule(step=st.sampled_from([SECOND, 700 * SECOND, DAY, 10 * DAY, 22 * DAY]), absent=st.sets(validators, max_size=2))
    def pass_time(self, step: int, absent: set[int]) -> None:
        self.chain.block(step, absent)

    @rule(absent=validators)
    def go_down(self, absent: int) -> None:
        self.chain.blocks(5, absent=[absent])

    @invariant()
    def laws_hold(self) -> None:
        self.chain.check_laws()

    @invariant()
    def only_its_owner_and_slashes_change_a_stake(self) -> None:
        for (name, index), worth in self.ledger.worth.items():
            assert staking.delegation_value(self.chain.state, self.chain.address(name), self.chain.validator(index)) == worth


TestEconomy = Economy.TestCase
TestEconomy.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
