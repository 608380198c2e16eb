"""The mesh that runs in a directory, for verbs that act on it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meshsec.cli.answer import say

if TYPE_CHECKING:
    from meshsec.world.process import ProcessWorld

DONE = "done"
FAULT = "fault."
"""What only some faults do: say more than that they are done."""


@contextmanager
def attached(directory: Path) -> Iterator["ProcessWorld"]:
    """Lend the mesh that runs in a directory.

    Raises:
        Rejected: `mesh/not-running`.
    """
    from meshsec.world.process import ProcessWorld

    world = ProcessWorld.attach(directory)
    try:
        yield world
    finally:
        world.close()


def act(directory: Path, verb: str, given: Mapping[str, Any], *, json: bool) -> None:
    """Do a verb of the registry to the running mesh, and tell what it says and where the chains are then.

    Raises:
        Rejected: `verbs/…`, `mesh/not-running`, or what the mesh refuses.
    """
    from meshsec import verbs

    found = verbs.find(verb)
    arguments = verbs.arguments(found, {name: value for name, value in given.items() if value not in (None, "")})
    with attached(directory) as world:
        answer = verbs.apply(world, found, arguments)
        said = answer if found.name.startswith(FAULT) and isinstance(answer, dict) else {}
        heights = {name: chain.height for name, chain in world.chains.items()}
    facts = [f"{name} {fact}" for name, fact in said.items() if isinstance(fact, str)]
    text = f"{found.name} {DONE}: " + ", ".join([*facts, *(f"{name} at {height}" for name, height in heights.items())])
    say({"verb": found.name, "heights": heights, **({"said": said} if facts else {})}, json=json, text=text)
