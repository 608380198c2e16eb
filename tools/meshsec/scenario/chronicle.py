"""Writes down, as a story is played, what every step did: to the state of each chain, to packets, and to whom it cost what."""

from collections.abc import Iterator
from typing import Any

import msgspec

from meshsec.scenario.outcome import Played
from meshsec.scenario.people import People
from meshsec.scenario.sight import Change, Figures, Sight, differ, look
from meshsec.world.base import World
from meshsec.world.chain import Chain
from meshsec.world.trail import packets_of
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_sdk.errors import OutcomeUnknown

MOST_BLOCKS = 300
"""Of one chain that are read for one step; the last ones, if a step makes more."""

SILENT = (Rejected, OutcomeUnknown, OSError)
"""How a chain that has been killed answers."""


class Loss(msgspec.Struct, frozen=True):
    """What somebody lost by a slash."""

    chain: str
    """Where it was lost."""
    who: str
    amount: int
    denom: str
    cause: str
    """The validator that was at fault, such as `juno/val-0`."""

    @property
    def elsewhere(self) -> bool:
        """Whether the fault was on another chain."""
        return not self.cause.startswith(f"{self.chain}/")


class Moment(msgspec.Struct, frozen=True):
    """What a step did."""

    index: int
    """Of the step; 0 is how the story began."""
    time: int
    """Logical time of the mesh since the story began, seconds."""
    heights: dict[str, int]
    changes: tuple[Change, ...]
    packets: tuple[str, ...]
    """What happened to packets, a line each."""
    losses: tuple[Loss, ...]
    figures: dict[str, Figures]


class Chronicle:
    """The moments of one run, in order; the first is before its first step."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.people = People(world)
        self._sights: dict[str, Sight] = {}
        self._began = 0
        self.moments: list[Moment] = []
        self._sights = self._look()
        self._began = world.logical_time()
        self._add(0, {}, ())

    def told(self, played: Played) -> None:
        """Look at what a step has done."""
        before, self._sights = self._sights, self._look()
        changes = tuple(
            change for name, sight in self._sights.items() if name in before for change in differ(name, before[name], sight)
        )
        self._add(played.index, {name: sight.height for name, sight in before.items()}, changes)

    def _look(self) -> dict[str, Sight]:
        """Look at every chain; one that does not answer looks as before."""
        found = {}
        for name, chain in self.world.chains.items():
            try:
                found[name] = look(chain, self.people)
            except SILENT:
                if name in self._sights:
                    found[name] = self._sights[name]
        return found

    def _add(self, index: int, since: dict[str, int], changes: tuple[Change, ...]) -> None:
        blocks = [block for name in since for block in self._blocks(self.world.chains[name], since[name])]
        blocks.sort(key=lambda block: (int(block[1]["time"]), block[0].name))
        events = [(chain, block["height"], event) for chain, block in blocks for event in block["events"]]
        self.moments.append(
            Moment(
                index=index,
                time=(self.world.logical_time() - self._began) // SECOND,  # down
                heights={name: sight.height for name, sight in self._sights.items()},
                changes=changes,
                packets=tuple(packets_of(events)),
                losses=tuple(loss for chain, block in blocks for loss in self._losses(chain, block["events"])),
                figures={name: sight.figures for name, sight in self._sights.items()},
            )
        )

    def _blocks(self, chain: Chain, since: int) -> Iterator[tuple[Chain, Any]]:
        tip = self._sights[chain.name].height
        try:
            for height in range(max(since, tip - MOST_BLOCKS) + 1, tip + 1):
                yield chain, chain.get(f"/v1/blocks/{height}")
        except SILENT:
            return

    def _losses(self, chain: Chain, events: list[Any]) -> Iterator[Loss]:
        """Yield what was lost in a block. A validator's slash holds what was lent to it, which is lost elsewhere, and what vaults
        of its own chain staked with it: both are told apart from what it and its delegators lose.
        """
        said = [(event["type"], event["attributes"]) for event in events]
        cause = ""
        for position, (kind, about) in enumerate(said):
            if kind == "staking/slash":
                cause = self._validator(chain, about["validator"])
                own = (
                    int(about["tokens"]) + int(about["elsewhere"]) - sum(self._virtual(said[position + 1 :], about["validator"]))
                )
                own -= sum(self._local(said[position + 1 :]))
                yield from self._lost(chain, f"{cause} and its delegators", own, cause)
            elif kind in ("mesh/fault", "mesh/fault-settled"):
                cause = self.people.name(about["validator"])
            elif kind == "mesh/correlated-slash":
                who = f"operator of {self._validator(chain, about['operator'])}"
                yield from self._lost(chain, who, int(about["amount"]), self.people.name(about["validator"]))
            elif kind == "mesh/slash":
                yield from self._lost(chain, self.people.name(about["user"]), int(about["amount"]), cause)

    @staticmethod
    def _virtual(following: list[tuple[str, Any]], validator: str) -> Iterator[int]:
        """Yield how much of a slash was lent stake."""
        for kind, about in following:
            if kind == "staking/slash":
                return
            if kind == "mesh/virtual-slashed" and about["validator"] == validator:
                yield int(about["amount"])

    @staticmethod
    def _local(following: list[tuple[str, Any]]) -> Iterator[int]:
        """Yield how much of a slash was collateral of the same chain."""
        for kind, about in following:
            if kind == "staking/slash":
                return
            if kind == "mesh/slash" and about["link"] == "local":
                yield int(about["amount"])

    def _lost(self, chain: Chain, who: str, amount: int, cause: str) -> Iterator[Loss]:
        if amount > 0:
            yield Loss(chain.name, who, amount, chain.names.denom, cause)

    def _validator(self, chain: Chain, operator: str) -> str:
        """Name a validator of a chain, also one that came later."""
        named = self.people.name(operator)
        if "/" in named:
            return named
        found = (each["name"] for each in chain.query("staking", "validators") if each["operator"] == operator)
        return f"{chain.name}/{next(found, named)}"
