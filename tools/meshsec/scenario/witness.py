"""Plays a story in the simulation and writes down every block, a line of JSON each: `python -m meshsec.scenario.witness FILE`.

Two of them, in processes whose texts have other hashes, must write the same; see `verify`.
"""

import sys
from pathlib import Path

import msgspec

from meshsec.scenario.document import Step, read
from meshsec.scenario.run import play
from meshsec.world.sim import SimWorld
from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import sha256
from meshsec_core.replica.replica import Replica


class Seen(msgspec.Struct, frozen=True):
    """One block, and the step in which it was made."""

    step: int
    line: int
    verb: str
    chain: str
    height: int
    block: str
    app_hash: str
    events: str
    """Hash of the receipts and events."""


class Ended(msgspec.Struct, frozen=True):
    """How the run ended: the last line."""

    passed: bool
    steps: int
    digest: str


class Witness:
    """Notes what every chain has done, block by block."""

    def __init__(self, world: SimWorld) -> None:
        self.world = world
        self.seen: list[Seen] = []
        self._step = (0, 0, "")
        self._tips: dict[str, str] = {}
        for name, node in world.nodes.items():
            for height in range(1, node.replica.height + 1):
                self._note(name, node.replica, height)
        world.on_block.append(self.look)

    def begun(self, index: int, step: Step) -> None:
        """Hear of a step."""
        self._step = (index, step.line, step.verb)

    def look(self) -> None:
        """Note the chains whose tip is another than before."""
        for name, node in self.world.nodes.items():
            if self._tips.get(name) != node.replica.tip.block_id.hash.hex():
                self._note(name, node.replica, node.replica.height)

    def _note(self, chain: str, replica: Replica, height: int) -> None:
        commit, following = replica.commit(height), replica.block(height + 1)
        assert commit is not None
        block = self._tips[chain] = commit.commit.block_id.hash.hex()
        app_hash = replica.tip.app_hash if following is None else following.header.app_hash
        events = sha256(codec.encode(replica.results(height))).hex()
        self.seen.append(Seen(*self._step, chain, height, block, app_hash.hex(), events))


def main(file: Path) -> None:
    """Play a story and print what was seen."""
    story = read(file)
    world = SimWorld(story.mesh, seed=story.seed)
    witness = Witness(world)
    outcome = play(story, world, begun=witness.begun)
    lines = [*map(codec.encode, witness.seen), codec.encode(Ended(outcome.passed, len(outcome.steps), outcome.digest))]
    sys.stdout.buffer.write(b"\n".join(lines) + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
