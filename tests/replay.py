"""Plays a story in a process of its own and prints its digest: `python tests/replay.py FILE [plain]`.

`plain` takes every memory away from the core before it is loaded: what has been computed is computed again each time.
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def forget() -> None:
    """Make every cache keep nothing."""
    real = functools.lru_cache

    def lru_cache(maxsize: Any = 128, typed: bool = False) -> Callable[..., Any]:
        return real(0)(maxsize) if callable(maxsize) else real(0)

    functools.lru_cache = lru_cache  # type: ignore[assignment]
    functools.cache = real(0)  # type: ignore[assignment]
    functools.cached_property = property  # type: ignore[assignment,misc]


def forget_what_was_executed() -> None:
    """Verify every signature, read every transaction and execute every block each time it is asked for."""
    from meshsec.world import sim_chain
    from meshsec_core import app
    from meshsec_core.kernel import crypto

    sim_chain.MemoVerifier = lambda: crypto.verify  # type: ignore[assignment,misc]
    app.App.finalize_block = app.App._execute  # type: ignore[method-assign]
    app.App.read = lambda self, raw: app.read_tx(raw, self.machine)  # type: ignore[method-assign]


def main(path: Path, plain: bool) -> None:
    if plain:
        forget()
        forget_what_was_executed()
    from meshsec.scenario.document import read
    from meshsec.scenario.run import play
    from meshsec.world.sim import SimWorld

    scenario = read(path)
    outcome = play(scenario, SimWorld(scenario.mesh, seed=scenario.seed))
    assert outcome.passed, outcome.failed_step
    print(outcome.digest)


if __name__ == "__main__":
    main(Path(sys.argv[1]), "plain" in sys.argv[2:])
