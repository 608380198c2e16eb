"""Does actions on a mesh and checks what must hold: the laws marked always behind each of them, all laws when it is settled.

A chain to which nothing was written since it was last checked is not checked again: its state is the same. Two
laws are checked here beside those of the modules: coins change only by events that mint and burn (law 6), and no fault is charged
twice (law 7).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness import Chain
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.runtime.module import View
from meshsec_core.security.mesh import MESH
from meshsec_core.security.mesh.provider import sweep
from soak.deeds import DEEDS, send, tell_all_closed
from soak.meshes import Setting, build
from soak.messages import MESSAGES
from soak.scene import Mesh, Step, scene

SETTLE = "time/settle"
LONGEST_EPOCH = 3
"""Blocks; `messages.set_link_params` sets no longer one."""
MOST_TURNS = 60

Outcome = tuple[str, str]
"""Kind of action, and the code that refused it, empty if it was done."""


class History:
    """A mesh under test."""

    def __init__(self, setting: Setting) -> None:
        rig, links, feeds = build(setting)
        self.mesh = Mesh(rig, links, feeds, {})
        self.outcomes: Counter[Outcome] = Counter()
        self._books = {name: Book(chain) for name, chain in rig.chains.items()}
        self._checked: dict[str, tuple[int, int]] = {}
        """Chain to the height and the number of writes at which its laws were seen to hold."""

    def act(self, step: Step) -> None:
        """Do one thing; what is refused is refused. Then check what must always hold."""
        code = ""
        try:
            self._do(step)
        except Rejected as refusal:
            code = refusal.code
        self.outcomes[step.kind, code] += 1
        self.mesh.rig.collect()
        self.check()

    def _do(self, step: Step) -> None:
        if step.kind == SETTLE:
            self.settle()
        elif step.kind in MESSAGES:
            send(*MESSAGES[step.kind](scene(self.mesh, step)))
        else:
            DEEDS[step.kind](scene(self.mesh, step))

    def settle(self) -> None:
        """Relay and make blocks until nothing moves and every epoch has passed; then check every law."""
        rig = self.mesh.rig
        for _ in range(MOST_TURNS):
            moved = self._relay()
            for _ in range(LONGEST_EPOCH + 1):
                rig.block()
                self.check()
            moved += self._relay()
            if not moved:
                self.check()
                self._check_across(settled=True)
                return
        raise InvariantViolated("packets go on without end")

    def _relay(self) -> int:
        tell_all_closed(self.mesh)
        return self.mesh.rig.relay()

    def check(self) -> None:
        """Check what must always hold, on the chains that have changed and across all."""
        changed = {
            name: (chain.ctx.height, chain.state.writes)
            for name, chain in self.mesh.rig.chains.items()
            if self._checked.get(name) != (chain.ctx.height, chain.state.writes)
        }
        for name in changed:
            self.mesh.rig.chains[name].check_laws()
            self._books[name].check(self.mesh.rig.chains[name])
        if changed:
            self._check_across(settled=False)
            self._checked |= changed

    def _check_across(self, *, settled: bool) -> None:
        views = {
            chain.ctx.chain_id: View(chain.state, chain.machine, chain.ctx.height, chain.ctx.time)
            for chain in self.mesh.rig.chains.values()
        }
        for law in MESH.laws:
            if settled or law.always:
                law.check(views)


@dataclass
class Book:
    """What the events of one chain say about its coins and its faults."""

    chain: Chain
    supply: Counter[str] = field(default_factory=Counter)
    faults: set[tuple[str, ...]] = field(default_factory=set)
    read: int = 0

    def __post_init__(self) -> None:
        self.supply = _supply(self.chain)
        self.read = len(self.chain.events)

    def check(self, chain: Chain) -> None:
        """Read what is new.

        Raises:
            InvariantViolated: coins came or went without an event, or a fault was charged twice.
        """
        new, self.read = chain.events[self.read :], len(chain.events)
        for event in new:
            said = dict(event.attributes)
            if event.type in ("bank/mint", "bank/burn"):
                self.supply[said["denom"]] += int(said["amount"]) * (1 if event.type == "bank/mint" else -1)
            elif event.type == "mesh/fault":
                once = said["height"] if said["kind"] == "downtime" else "ever"
                fault = (said["consumer"], said["validator"], said["kind"], once)
                if fault in self.faults:
                    raise InvariantViolated(f"{fault} is charged twice")
                self.faults.add(fault)
        if self.supply != _supply(chain):
            raise InvariantViolated(f"there are {_supply(chain)}, minted and burned {self.supply}")


def _supply(chain: Chain) -> Counter[str]:
    prefix = "bank/supply/"
    return Counter({path.removeprefix(prefix): codec.load(raw, int) for path, raw in chain.state.scan(prefix)})


@contextmanager
def sweeping(users_per_block: int) -> Iterator[None]:
    """Bound how many users pay for a fault in one block."""
    kept, sweep.USERS_PER_BLOCK = sweep.USERS_PER_BLOCK, users_per_block
    try:
        yield
    finally:
        sweep.USERS_PER_BLOCK = kept


def play(setting: Setting, steps: Iterable[Step]) -> History:
    """Play a history to its end, which is settled.

    Raises:
        InvariantViolated, AssertionError: a law does not hold, or a packet was refused.
    """
    with sweeping(setting.users_per_block):
        history = History(setting)
        for step in steps:
            history.act(step)
        history.settle()
    return history
