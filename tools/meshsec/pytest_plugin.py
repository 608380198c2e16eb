"""pytest plugin: meshes as fixtures, isolated from one another, and on failure what anyone needs to repeat and understand it.

    @pytest.mark.mesh(topology="triangle", seed=7)
    def test_stake_crosses(mesh_world):
        mesh_world.osmosis.user("alice").send(...)

Nothing else of meshsec is imported before a test asks for a world, so that other suites on the same machine pay nothing.
"""

import shlex
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from meshsec.world.base import World
    from meshsec.world.shelf import Shelf, Stock
    from meshsec_sdk.mesh_file import MeshSpec

DEFAULTS: dict[str, object] = {"topology": "pair", "world": "sim", "seed": 0}
MARKER = (
    'mesh(topology="pair", world="sim", seed=0): which mesh the fixtures mesh_world and mesh_factory give; '
    'topology: pair, triangle, star:N, full:N, a mesh file beside the test, or a MeshSpec; world: "sim" or "local"'
)


MOST_TOLD = 2
"""Worlds of a failed test that are told about, the youngest."""


class MeshFactory(Protocol):
    """Makes connected worlds; what is left out is as the test's marker says."""

    def __call__(self, topology: "str | MeshSpec | None" = None, *, world: str | None = None, seed: int | None = None) -> "World":
        """Return a world that no other test sees; it ends with the test."""


_SHELF: "pytest.StashKey[Shelf]" = pytest.StashKey()
_STOCK: "pytest.StashKey[Stock]" = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what tests have shared."""
    stock = config.stash.get(_STOCK, None)
    if stock is not None:
        stock.close()


@pytest.fixture
def mesh_factory(request: pytest.FixtureRequest) -> Iterator[MeshFactory]:
    """Connected meshes, as many as the test asks for."""
    from meshsec.world.shelf import Shelf, Stock

    wanted = _wanted(request.node)
    if _STOCK not in request.config.stash:
        request.config.stash[_STOCK] = Stock()
    shelf = request.node.stash[_SHELF] = Shelf(request.config.stash[_STOCK])

    def make(topology: "str | MeshSpec | None" = None, *, world: str | None = None, seed: int | None = None) -> "World":
        given = {"topology": topology, "world": world, "seed": seed}
        mesh, kind, number = (wanted[name] if value is None else value for name, value in given.items())
        return shelf.open(_beside(request.node, mesh), kind, number)  # type: ignore[arg-type]

    yield make
    shelf.close()


@pytest.fixture
def mesh_world(mesh_factory: MeshFactory) -> "World":
    """A connected mesh, as the test's marker `mesh` describes it; whatever the test does to it, no other test sees."""
    from meshsec_core.kernel.errors import Rejected

    try:
        return mesh_factory()
    except Rejected as refusal:
        reason = str(refusal)
    pytest.fail(reason, pytrace=False)  # what is wrong with a mesh file is one line, and no trace through files of ours


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failed test what happened in its worlds, and how to repeat it."""
    report = yield
    shelf = item.stash.get(_SHELF, None)
    if report.when == "call" and report.failed and shelf is not None:
        report.sections.append(("mesh", "\n".join(_tell(item, shelf))))
    return report


def _wanted(item: pytest.Item) -> dict[str, object]:
    marker = item.get_closest_marker("mesh")
    if marker is None:
        return DEFAULTS
    unknown = [name for name in marker.kwargs if name not in DEFAULTS]
    if marker.args or unknown:
        raise pytest.UsageError(f"{item.nodeid}: the marker is {MARKER.partition(':')[0]}; found {marker.args or unknown}")
    return {**DEFAULTS, **marker.kwargs}


def _beside(item: pytest.Item, mesh: object) -> object:
    """Return a mesh file's path as seen from the test's directory; topologies and descriptions as they are."""
    return str(item.path.parent / mesh) if isinstance(mesh, str) and mesh.endswith((".yaml", ".yml")) else mesh


def _tell(item: pytest.Item, shelf: "Shelf") -> Iterator[str]:
    from meshsec.world.trail import trail

    for opened in shelf.opened[-MOST_TOLD:]:
        heights = ", ".join(f"{chain} was handed out at {height}" for chain, height in opened.heights.items())
        yield f"{opened.label}; {heights}"
        yield from trail(opened.world, opened.heights)
    if len(shelf.opened) > MOST_TOLD:
        yield f"these are the last {MOST_TOLD} of {len(shelf.opened)} worlds"
    yield f"repeat with: {_replay(item)}"


def _replay(item: pytest.Item) -> str:
    return f"cd {shlex.quote(str(item.config.rootpath))} && python -m pytest {shlex.quote(item.nodeid)}"
