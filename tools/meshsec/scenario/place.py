"""Opens the world of a story: a simulation, processes of its own, or the mesh that is running."""

from pathlib import Path

from meshsec.home import Home
from meshsec.scenario.document import Story
from meshsec.scenario.where import Place
from meshsec.world.base import World
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.mesh_file import MeshSpec

OTHER_MESH = "scenario/other-mesh"


def open_world(story: Story, place: Place, directory: Path) -> World:
    """Return a world for a story; whoever asks for it closes it.

    Args:
        story: says which mesh.
        place: which kind of world.
        directory: of the mesh that is running, for that kind.

    Raises:
        Rejected: `scenario/other-mesh`, `mesh/not-running`, or what refuses to start.
    """
    if place is Place.SIM:
        from meshsec.world.sim import SimWorld

        return SimWorld(story.mesh, seed=story.seed)
    from meshsec.world.process import ProcessWorld

    if place is Place.LOCAL:
        return ProcessWorld(story.mesh, seed=story.seed)
    check_mesh(story.mesh, Home(directory).manifest().mesh)
    return ProcessWorld.attach(directory)


def check_mesh(wanted: MeshSpec, found: MeshSpec) -> None:
    """Check that a mesh has the chains of a story, described alike, and among them the same links and channels.

    Raises:
        Rejected: `scenario/other-mesh` with what differs.
    """
    known = {chain.name: chain for chain in found.chains}
    for chain in wanted.chains:
        if chain.name not in known:
            raise Rejected(OTHER_MESH, missing=chain.name, found=", ".join(known), hint="boot the mesh that the story describes")
        for field in chain.__struct_fields__:
            here, there = getattr(chain, field), getattr(known[chain.name], field)
            if codec.encode(here) != codec.encode(there):
                raise Rejected(
                    OTHER_MESH,
                    chain=chain.name,
                    differs=field,
                    wanted=codec.encode(here).decode()[:200],
                    found=codec.encode(there).decode()[:200],
                    hint="boot the mesh that the story describes",
                )
    names = [chain.name for chain in wanted.chains]
    among = [link for link in found.links if link.provider in names and link.consumer in names]
    if sorted(map(codec.encode, wanted.links)) != sorted(map(codec.encode, among)):
        raise Rejected(OTHER_MESH, differs="links", hint="boot the mesh that the story describes")
    joining = [channel for channel in found.channels if channel.proposer in names and channel.counterparty in names]
    if sorted(map(codec.encode, wanted.channels)) != sorted(map(codec.encode, joining)):
        raise Rejected(OTHER_MESH, differs="channels", hint="boot the mesh that the story describes")
