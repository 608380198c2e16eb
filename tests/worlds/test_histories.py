"""Random histories of a whole mesh: users, outages, crashes and faults in any order. What must always hold is checked at every
block; in the end, when everything has been relayed, all laws are, and every voucher is covered.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from meshes import Watched, channel, held, supply, transfer
from meshsec.mesh import Bond, StakeLocal, StakeRemote, Unbond, Unstake, WithdrawUnbonded
from meshsec.world.sim import SimWorld, Snapshot
from meshsec_core.kernel.wire.ibc import voucher_denom
from meshsec_core.runtime.module import Msg
from meshsec_sdk.errors import TxRejected

CHAINS = ("osmosis", "juno")


@cache
def connected() -> Snapshot:
    world = SimWorld("pair")
    for chain in CHAINS:
        world.chain(chain).user("alice").send(Bond(10_000_000))
    return world.snapshot()


class History:
    """A mesh, and what numbers stand for."""

    def __init__(self) -> None:
        self.world = Watched("pair", start=connected())
        self.troubled: set[str] = set()
        """Chains that can bear no further fault of a validator."""
        self.said: list[str] = []

    def act(self, kind: int, here: int, index: int, amount: int) -> None:
        actions: tuple[Callable[[str, str, int, int], None], ...] = (
            self.stake, self.stake, self.stake, self.unstake, self.unstake, self.vault, self.send_coins, self.send_coins,
            self.blocks, self.blocks, self.relay, self.relay, self.time, self.relayer, self.relayer, self.hold,
            self.power_cut, self.power_cut, self.fault,
        )  # fmt: skip
        action = actions[kind % len(actions)]
        self.said.append(f"{action.__name__} {CHAINS[here]} {index} {amount}")
        action(CHAINS[here], CHAINS[1 - here], index, amount)

    def say(self, chain: str, msg: Msg) -> None:
        with suppress(TxRejected):
            self.world.chain(chain).user("alice").send(msg)

    def stake(self, here: str, there: str, index: int, amount: int) -> None:
        self.say(here, StakeRemote(there, f"{there}/val-{index}", amount))

    def unstake(self, here: str, there: str, index: int, amount: int) -> None:
        self.say(here, Unstake(there, f"{there}/val-{index}", amount))

    def vault(self, here: str, there: str, index: int, amount: int) -> None:
        msgs = (Bond(amount), Unbond(amount), StakeLocal(f"{here}/val-{index}", amount), WithdrawUnbonded(there))
        self.say(here, msgs[amount % len(msgs)])

    def send_coins(self, here: str, there: str, _index: int, amount: int) -> None:
        with suppress(TxRejected):
            transfer(self.world, here, there, amount)

    def blocks(self, _here: str, _there: str, index: int, _amount: int) -> None:
        self.world.mine(index + 1)

    def relay(self, *_: object) -> None:
        self.world.relay()

    def time(self, _here: str, _there: str, index: int, _amount: int) -> None:
        self.world.advance(("1m", "20m", "2h", "3d")[index])

    def relayer(self, _here: str, _there: str, index: int, _amount: int) -> None:
        if index == 0:
            self.world.crash("relayer")
        else:
            self.world.relayer("stop" if index == 1 else "start")

    def hold(self, here: str, _there: str, index: int, _amount: int) -> None:
        self.world.relayer("hold" if index < 2 else "release", {"chain": here})

    def power_cut(self, here: str, _there: str, index: int, amount: int) -> None:
        self.world.crash(here, batch=amount % 5 if index else 0)

    def fault(self, here: str, _there: str, index: int, amount: int) -> None:
        """One of four validators fails; a second one would stop the chain, which is another test's subject."""
        if here not in self.troubled:
            self.troubled.add(here)
            self.world.fault("double-sign" if amount % 2 else "down", f"{here}/val-{index}")

    def end(self) -> None:
        self.world.heal()
        self.world.relayer("start")
        for chain in CHAINS:
            self.world.relayer("release", {"chain": chain})
        self.world.advance("4d")
        self.world.settle()


STEPS = st.lists(
    st.tuples(st.integers(0, 18), st.integers(0, 1), st.integers(0, 3), st.integers(1, 9_000_000)), min_size=4, max_size=16
)


@settings(max_examples=15, deadline=None)
@given(STEPS)
def test_whatever_happens_the_laws_hold_and_every_coin_is_somewhere(steps: list[tuple[int, int, int, int]]) -> None:
    history = History()
    for step in steps:
        history.act(*step)
    history.end()
    world = history.world
    for here, there in (CHAINS, CHAINS[::-1]):
        denom = world.chain(here).names.denom
        voucher = voucher_denom(f"transfer/{channel(world, there, here)['channel_id']}/{denom}")
        assert supply(world.chain(there), voucher) == held(world.chain(here)).get(
            (channel(world, here, there)["channel_id"], denom), 0
        ), history.said
        packets = [
            world.chain(here).query("ibc", "packets", port_id=end["port_id"], channel_id=end["channel_id"])["sequences"]
            for end in world.chain(here).query("ibc", "channels")
        ]
        assert packets == [[]] * len(packets), history.said
