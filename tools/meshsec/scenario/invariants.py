"""What must hold while a story is played: at every block of a simulation, and at its end everywhere.

Laws across chains rest on light clients that are told the truth. From a fork on somebody may believe a lie, so that they are left
out until the story goes back to before it; the laws of single chains hold whatever happens.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from meshsec.scenario.document import Watch
from meshsec.world.base import World
from meshsec.world.laws import laws_across
from meshsec.world.sim import SimWorld
from meshsec_core.app import MODULES
from meshsec_core.runtime.law import Law
from meshsec_core.runtime.module import Module
from meshsec_sdk.models import load_models

FORK = "fault.fork"
REVERT = "revert"


class Invariants:
    """Checks laws, and remembers how often."""

    def __init__(self, world: World, watch: Watch) -> None:
        self.world = world
        self.watch = watch
        self.blocks = 0
        """At how many blocks of the mesh everything that always holds was checked."""
        self.left_out: tuple[str, ...] = ()
        """Laws that could not be asked for in the end."""
        self._lied_to = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Check at every block what always holds, as long as this lasts."""
        if not isinstance(self.world, SimWorld) or self.watch is not Watch.BLOCK:
            yield
            return
        self.world.on_block.append(self._at_block)
        try:
            yield
        finally:
            self.world.on_block.remove(self._at_block)

    def begins(self, verb: str) -> None:
        """Hear what is going to be done."""
        self._lied_to |= verb == FORK

    def done(self, verb: str) -> None:
        """Hear what has been done."""
        self._lied_to &= verb != REVERT

    def check_in_the_end(self) -> None:
        """Check every law that holds now: those of a mesh at rest only if no packet is on its way.

        Raises:
            InvariantViolated: a law does not hold.
        """
        moving = any(chain.get("/v1/state?prefix=ibc/commitments/&limit=1")["entries"] for chain in self.world.chains.values())

        def holds(law: Law) -> bool:
            return not self._lied_to and (law.always or not moving)

        self.left_out = tuple(law.name for law in laws_across(self.world.spec) if not holds(law))
        self.world.check_laws(holds)

    def names(self) -> tuple[str, ...]:
        """Return the names of all laws of this mesh, those of single chains with their module."""
        spec = self.world.spec
        models = load_models(sorted({link.model for link in spec.links})).values()
        modules: list[Module[Any]] = [*MODULES, *(side for model in models for side in (model.provider, model.consumer))]
        alone = (f"{module.name}: {law}" for module in modules for law in module.laws)
        return (*alone, *(f"across chains: {law.name}" for law in laws_across(spec)))

    def _at_block(self) -> None:
        self.blocks += 1
        self.world.check_laws(lambda law: law.always and not self._lied_to)
