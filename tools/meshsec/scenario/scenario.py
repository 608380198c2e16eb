"""Scenarios in Python: the same phases as on the command line, parse, plan, run, settle, check and report.

    from meshsec import Scenario

    run = Scenario.read("tools/scenarios/nato.yaml").run()
    assert run.passed, run.explain()
    run.leave("runs/nato")          # report.html and the rest

What YAML cannot say is said around it: a run takes a world that is open, in any state, and leaves it open.
"""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from meshsec.scenario import document, plan, record, verify
from meshsec.scenario.chronicle import Chronicle, Moment
from meshsec.scenario.document import Step, Story
from meshsec.scenario.failure import explain
from meshsec.scenario.outcome import Outcome, Played
from meshsec.scenario.place import open_world
from meshsec.scenario.run import play
from meshsec.scenario.where import Place
from meshsec.world.base import World
from meshsec_sdk import located

HERE = Path(".mesh")

IN_PYTHON = "story.yaml"
"""What the file of a story is called that was never one."""


class Run(msgspec.Struct, frozen=True):
    """A story that has been played."""

    story: Story
    outcome: Outcome
    moments: tuple[Moment, ...]
    """What every step did; the first is how things were before them."""
    replay: str
    """The command that repeats the run."""

    @property
    def passed(self) -> bool:
        """Whether it went as it is written."""
        return self.outcome.passed

    @property
    def failed_step(self) -> Played | None:
        """The first step that did not go as it is written."""
        return self.outcome.failed_step

    @property
    def digest(self) -> str:
        """Hash over all blocks and events."""
        return self.outcome.digest

    def explain(self) -> str:
        """Return what a failed run has to tell; empty if it has passed."""
        return "\n".join(explain(self.story, self.outcome, self.moments, self.replay))

    def leave(self, directory: str | Path) -> Path:
        """Write the run's directory, the page among it; return where."""
        record.leave(Path(directory), self.story, self.outcome, self.moments, self.replay)
        return Path(directory)


class Scenario:
    """A story that can be planned, run and verified."""

    def __init__(self, story: Story) -> None:
        self.story = story

    @classmethod
    def read(cls, file: str | Path) -> "Scenario":
        """Read and check a file.

        Raises:
            Rejected: as `document.read`.
        """
        return cls(document.read(Path(file)))

    @classmethod
    def parse(cls, text: str) -> "Scenario":
        """Read and check a text, for stories that a program writes.

        Raises:
            Rejected: as `document.read`.
        """
        return cls(document.understand(located.parse(text, IN_PYTHON), "story"))

    def plan(self) -> tuple[plan.Planned, ...]:
        """Return the timeline without starting anything."""
        return plan.timeline(self.story)

    def run(
        self,
        world: str | World = Place.SIM,
        *,
        directory: str | Path = HERE,
        told: Callable[[Played], None] = lambda _: None,
        begun: Callable[[int, Step], None] = lambda _, __: None,
    ) -> Run:
        """Play the story.

        Args:
            world: `sim`, `local` or `running`, which is opened and closed, or a world that stays open.
            directory: of the mesh, for `running`.
            told: hears of every step as it ends.
            begun: hears of every step as it begins.

        Raises:
            Rejected: the world cannot be opened.
        """
        if isinstance(world, World):
            return self._play(world, told, begun, "this world")
        place = Place(world)
        with open_world(self.story, place, Path(directory)) as opened:
            replay = ["meshsec", "scenario", "run", self.story.file, "--world", place, "--dir", str(directory)]
            return self._play(opened, told, begun, shlex.join(replay))

    def _play(self, world: World, told: Callable[[Played], None], begun: Callable[[int, Step], None], replay: str) -> Run:
        chronicle = Chronicle(world)

        def heard(played: Played) -> None:
            chronicle.told(played)
            told(played)

        outcome = play(self.story, world, heard, begun)
        return Run(self.story, outcome, tuple(chronicle.moments), replay)

    def verify(self, witness: Sequence[str] = verify.WITNESS) -> verify.Verdict:
        """Play the file twice under different hash seeds, and compare every block; as `verify.verify`."""
        return verify.verify(Path(self.story.file), witness)
