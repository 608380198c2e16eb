"""Chance that repeats: every random choice has a stream of its own, drawn from the seed and the name of what is chosen.

The core and the worlds themselves choose nothing at random. Python around them does, and since each stream depends on its own
name alone, a draw more in one place shifts nothing elsewhere.
"""

from collections.abc import Mapping
from hashlib import sha256
from random import Random
from typing import Any

States = Mapping[str, Any]
"""Where each stream stands."""


class Streams:
    """The named sub-streams of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, Random] = {}

    def of(self, name: str) -> Random:
        """Return the stream of a name, where its last draw has left it."""
        if name not in self._streams:
            self._streams[name] = Random(int.from_bytes(sha256(f"{self.seed}/{name}".encode()).digest()))
        return self._streams[name]

    def save(self) -> States:
        """Return where every stream stands."""
        return {name: stream.getstate() for name, stream in self._streams.items()}

    def restore(self, states: States) -> None:
        """Go back to where streams stood; one that nobody had drawn from begins anew."""
        self._streams.clear()
        for name, state in states.items():
            self.of(name).setstate(state)
