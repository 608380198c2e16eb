"""Random histories of a whole mesh: a hypothesis state machine whose rules are the verbs of the registry.

    from hypothesis.stateful import invariant, rule
    from meshsec import MeshMachine

    class Mine(MeshMachine):
        topology = "triangle"

        @invariant()
        def alice_is_never_poor(self) -> None:
            assert self.world.osmosis.balance("alice") > 0

    TestMine = Mine.TestCase

What must always hold is checked at every block, all laws whenever the mesh has come to rest. A history that fails is shortened by
hypothesis and written as a scenario file. Branches of a chain (`fault.fork` and what follows) are left out: what two thirds forge
breaks laws across chains rightly.
"""

import shlex
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.errors import HypothesisException
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from meshsec import verbs
from meshsec.machine import values
from meshsec.machine.story import Done, write_story
from meshsec.world.shelf import Stock
from meshsec.world.sim import SimWorld
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.faults import FAULTS
from meshsec_sdk.errors import TxRejected
from meshsec_sdk.mesh_file import MeshSpec, topology

DIRECTORY = Path("runs")
STOCK = Stock()
"""Images of connected meshes: hypothesis begins a history anew thousands of times."""
KEPT = "kept"
"""Name of the one snapshot that a history goes back to."""

LENDING = ("mesh/StakeRemote", "mesh/Unstake", "mesh/Leave", "mesh/Withdraw")
COLLATERAL = ("mesh/Bond", "mesh/Unbond", "mesh/StakeLocal", "mesh/UnstakeLocal", "mesh/Re", "mesh/VoteLocal")
USUAL = ("bank/", "staking/", "slashing/", "distribution/", "gov/", "transfer/")
"""Prefixes of messages that users send."""
FILTERS = ("hold", "release", "delay", "duplicate", "reorder")
KINDS = ("stake", "unstake", "burn", "valset_update", "distribute", "transfer_rewards", "transfer", "")


class MeshMachine(RuleBasedStateMachine):
    """A mesh under random verbs. Subclasses choose the mesh, add rules and invariants; `do` makes a step that can be told."""

    topology: ClassVar[str | MeshSpec] = "pair"
    seed: ClassVar[int] = 0
    directory: ClassVar[Path] = DIRECTORY
    """Where histories that fail are written, one file per class and kind of failure."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = topology(self.topology) if isinstance(self.topology, str) else self.topology
        self.world = STOCK.simulated(self.spec, self.seed)
        self.world.on_block.append(self._check_what_always_holds)
        self.steps: list[Done] = []
        """What was done so far, refusals included."""
        self.troubled: dict[str, str] = {}
        """Chain to the one validator of it that fails in this history: without a second one the chain would halt."""
        self.kept = False
        self.away = False
        """Whether relayers have been taken away or paused: then time may not run so far that light clients die."""

    # steps

    def do(self, verb: str, /, **given: Any) -> str:
        """Do what a verb says and note it; return the code that refused it, empty if it was done.

        Raises:
            InvariantViolated: a law does not hold.
        """
        step = Done(verbs.find(verb).name, given)
        self.steps.append(step)
        try:
            verbs.perform(self.world, verbs.find(verb), given)
        except (Rejected, TxRejected) as refusal:
            step.fails = refusal.code
        return step.fails

    def must(self, verb: str, /, **given: Any) -> None:
        """Do what cannot be refused."""
        code = self.do(verb, **given)
        if code:
            self.steps[-1].fails = ""
            raise AssertionError(f"{verb} {given} is refused: {code}")

    def _check_what_always_holds(self) -> None:
        self.world.check_laws(lambda law: law.always)

    def at_rest(self) -> None:
        """Look at a mesh that has come to rest and keeps all laws. For subclasses."""

    # users

    @rule(data=st.data())
    def use_links(self, data: st.DataObject) -> None:
        """Send a message about stake that is lent."""
        self._send(data, LENDING)

    @rule(data=st.data())
    def use_vault(self, data: st.DataObject) -> None:
        """Send a message about collateral."""
        self._send(data, COLLATERAL)

    @rule(data=st.data())
    def lend(self, data: st.DataObject) -> None:
        """Put collateral behind a validator of a consumer."""
        here, there = data.draw(values.partners(self.spec))
        user = f"{here}/{data.draw(st.sampled_from(values.USERS))}"
        amount = data.draw(st.integers(1, values.MOST))
        self.do("mesh/Bond", **{"from": user, "amount": str(2 * amount)})
        validator = data.draw(st.sampled_from(values.validators(self.spec, there)))
        self.do("mesh/StakeRemote", **{"from": user, "consumer": there, "validator": validator, "amount": str(amount)})

    @rule(data=st.data(), verb=st.sampled_from(("mesh/Unstake", "mesh/Leave", "mesh/WithdrawRewards")))
    def take_back(self, data: st.DataObject, verb: str) -> None:
        """Ask back what is lent, or what it has earned."""
        here, there = data.draw(values.partners(self.spec))
        links = [
            each["link"]
            for each in self.world.chain(here).query("mesh/provider", "links")
            if each["consumer"] == self.spec.chain(there).names.chain_id
        ]
        user, link = data.draw(st.sampled_from(values.USERS)), data.draw(st.sampled_from(links))
        lent = self.world.chain(here).query("mesh/provider", "stakes", user=user, consumer=link)
        if not lent:
            return
        stake = data.draw(st.sampled_from(lent))
        most = max(1, int(stake["range"]["low"]))
        what = {"recipient": f"{there}/{user}"} if verb.endswith("Rewards") else {"amount": str(data.draw(st.integers(1, most)))}
        self.do(verb, **{"from": f"{here}/{user}", "consumer": link, "validator": stake["validator"], **what})

    @rule(data=st.data())
    def use_chain(self, data: st.DataObject) -> None:
        """Send a message of another module."""
        self._send(data, USUAL)

    @rule(data=st.data())
    def say_anything(self, data: st.DataObject) -> None:
        """Send any message there is, mostly nonsense: those of relayers, of governance, of operators."""
        self._send(data, ("",))

    def _send(self, data: st.DataObject, prefixes: tuple[str, ...]) -> None:
        verb = data.draw(st.sampled_from(_messages(prefixes)))
        self.do(verb.name, **data.draw(values.arguments(verb, self.spec)))

    @rule(data=st.data())
    def decide(self, data: st.DataObject) -> None:
        """Let governance of a consumer move a cap, a price or another term, or close a link."""
        here, there = data.draw(values.partners(self.spec))
        title, msg = data.draw(values.decisions(here, there))
        if self.do("gov/Submit", **{"from": f"{there}/alice", "title": title, "msgs": [msg], "deposit": "10000000"}):
            return
        number = max(int(each["id"]) for each in self.world.chain(there).query("gov", "proposals"))
        for validator in values.validators(self.spec, there):
            self.do("gov/Vote", **{"from": validator, "proposal": str(number), "option": "yes"})
        self.do("advance", by="61s")

    # time

    @rule(blocks=st.integers(1, 5))
    def mine(self, blocks: int) -> None:
        """Let blocks be made."""
        self.do("mine", blocks=str(blocks))

    @rule(by=st.sampled_from(("1m", "20m", "2h", "3d")))
    def advance(self, by: str) -> None:
        """Let time pass; not so much that clients die that nobody refreshes."""
        self.do("advance", by="20m" if self.away or self.troubled else by)

    @rule()
    def relay(self) -> None:
        """Carry what may be carried."""
        self.do("relay")

    @rule()
    def come_to_rest(self) -> None:
        """End what disturbs, relay until nothing changes, and check every law."""
        self.must("heal")
        self.must("relayer.start")
        self.must("relayer.resume")
        self.must("packets.release")
        self.must("relayer.clear")
        self.away = False
        self.must("settle")
        self.at_rest()

    # faults

    @rule(data=st.data())
    def fault(self, data: st.DataObject) -> None:
        """Make a validator misbehave in any way; in one history it is always the same one of a chain."""
        chain = data.draw(st.sampled_from([each.name for each in self.spec.chains]))
        target = self.troubled.get(chain) or data.draw(st.sampled_from(values.validators(self.spec, chain)))
        self.troubled[chain] = target
        verb = verbs.find(f"fault.{data.draw(st.sampled_from([*FAULTS]))}")
        taken = {
            "delay": st.sampled_from(("200ms", "3s")),
            "shift": st.sampled_from(("20s", "-20s")),
            "address": st.just("alice"),
        }
        given = {param.name: data.draw(taken[param.name]) for param in verb.params if param.name in taken}
        self.do(verb.name, validator=target, **given)

    @rule(data=st.data())
    def part(self, data: st.DataObject) -> None:
        """Cut a validator off from the others."""
        chain = data.draw(st.sampled_from([each.name for each in self.spec.chains]))
        target = self.troubled.setdefault(chain, data.draw(st.sampled_from(values.validators(self.spec, chain))))
        self.do("fault.partition", chain=chain, groups=target.partition("/")[2])

    @precondition(lambda self: self.troubled)
    @rule()
    def heal(self) -> None:
        """End all faults."""
        self.do("heal")

    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        """Kill a chain or the relayers; they come back from what is durable."""
        target = data.draw(st.sampled_from([*(chain.name for chain in self.spec.chains), "relayer"]))
        self.do("crash", target=target)
        self.away = self.away and target != "relayer"

    # relayers and packets

    @rule(order=st.sampled_from(("stop", "start", "pause", "resume", "step", "clear")))
    def order_relayer(self, order: str) -> None:
        """Take relayers away, stop them, let them go on."""
        self.do(f"relayer.{order}")
        self.away = order in ("stop", "pause") or (self.away and order in ("step", "clear", "resume"))

    @rule(order=st.sampled_from(FILTERS), kind=st.sampled_from(KINDS), data=st.data())
    def order_packets(self, order: str, kind: str, data: st.DataObject) -> None:
        """Hold, delay, double or reorder packets of a kind, one way or both."""
        leg = data.draw(st.sampled_from(("recv", "ack", "")))
        which: Mapping[str, str] = {name: text for name, text in (("kind", kind), ("leg", leg)) if text}
        later = {"by": data.draw(st.sampled_from(("90s", "3blocks")))} if order == "delay" else {}
        self.do(f"packets.{order}", **which, **later)

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """Lose a packet that is on its way."""
        known = [packet for chain in self.world.chains.values() for packet in _under_way(self.world, chain.name)]
        if known:
            self.do("packets.drop", id=data.draw(st.sampled_from(known)))

    # other universes

    @rule()
    def remember(self) -> None:
        """Save the whole mesh."""
        self.must("snapshot", name=KEPT)
        self.kept = True

    @precondition(lambda self: self.kept)
    @rule()
    def go_back(self) -> None:
        """Go back to when the mesh was saved."""
        self.must("revert", name=KEPT)

    # the end

    def teardown(self) -> None:
        """Write down what failed; hypothesis ends with the shortest history, so that one remains."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and not isinstance(error, HypothesisException):
            path = self.directory / f"{type(self).__name__}-{type(error).__name__}.yaml"
            write_story(path, f"{type(error).__name__}: {error}"[:200], self.topology, self.seed, self.steps)
            replay = shlex.join(["meshsec", "scenario", "run", str(path)])
            error.add_note(f"the history is {path}; repeat it with: {replay}")
        self.world.close()


@cache
def _messages(prefixes: tuple[str, ...]) -> tuple[verbs.Verb, ...]:
    known = [verb for verb in verbs.registry().values() if verb.message is not None]
    return tuple(verb for verb in known if verb.name.startswith(prefixes))


def _under_way(world: SimWorld, chain: str) -> Iterator[str]:
    """Yield the packets that a chain has sent and that are not settled, as relayers name them."""
    for end in world.chain(chain).query("ibc", "channels"):
        sent = world.chain(chain).query("ibc", "packets", port_id=end["port_id"], channel_id=end["channel_id"])
        for sequence in sent["sequences"]:
            yield f"{chain}:{end['port_id']}:{end['channel_id']}:{sequence}"
