"""Checks the laws of a mesh from outside: on the states that its chains serve, read page by page."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping

import msgspec

from meshsec.world.chain import Chain
from meshsec_core.app import build_machine
from meshsec_core.ibc.laws import LAWS
from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import verify
from meshsec_core.kernel.types import ChainId
from meshsec_core.runtime.law import Law, Views, hold, hold_alone
from meshsec_core.runtime.module import View
from meshsec_sdk.mesh_file import MeshSpec, genesis_of
from meshsec_sdk.models import load_models

PAGE = 1_000


class Rows:
    """A whole state in memory, read like any other."""

    def __init__(self, rows: Mapping[str, bytes]) -> None:
        self._rows = rows
        self._paths = sorted(rows)

    def get(self, key: str) -> bytes | None:
        """Return the value under a full path, or None."""
        return self._rows.get(key)

    def scan(self, prefix: str, after: str = "") -> Iterator[tuple[str, bytes]]:
        """Yield (path, value) of all paths that start with `prefix` and are greater than `after`, in ascending order."""
        start = max(bisect_left(self._paths, prefix), bisect_right(self._paths, after) if after else 0)
        for path in self._paths[start:]:
            if not path.startswith(prefix):
                return
            yield path, self._rows[path]


class Entry(msgspec.Struct, frozen=True):
    """One path and its value."""

    path: str
    value: bytes


class Page(msgspec.Struct, frozen=True):
    """A page of a state's listing."""

    entries: tuple[Entry, ...]
    next: str | None


def check_laws(
    spec: MeshSpec, genesis_time: int, chains: Mapping[str, Chain], across: Callable[[Law], bool] = lambda _: True
) -> None:
    """Check every law of every chain's modules, and those across chains that are chosen; all by default.

    Raises:
        InvariantViolated: a law does not hold.
        Rejected: a chain does not answer.
    """
    hold_all(spec, {ChainId(chain.names.chain_id): read_view(spec, genesis_time, chain) for chain in chains.values()}, across)


def hold_all(spec: MeshSpec, views: Views, across: Callable[[Law], bool]) -> None:
    """Check every law of every chain's modules, and those across chains that are chosen, on what is seen of all chains.

    Raises:
        InvariantViolated: a law does not hold.
    """
    for view in views.values():
        hold_alone(view)
    for each in filter(across, laws_across(spec)):
        hold(each.name, each.check, views)


def laws_across(spec: MeshSpec) -> tuple[Law, ...]:
    """Return what must hold across the chains of a mesh: the laws of IBC, and those of its models."""
    models = load_models(dict.fromkeys(link.model for link in spec.links)).values()
    return (*LAWS, *(law for model in models for law in model.laws))


def read_view(spec: MeshSpec, genesis_time: int, chain: Chain) -> View:
    """Read the latest state of a chain.

    Raises:
        Rejected: the chain does not answer.
    """
    genesis = genesis_of(spec, chain.name, genesis_time)
    machine, _ = build_machine(genesis, load_models(genesis.models), verify)
    status = chain.get("/v1/status")
    rows = read_rows(chain, int(status["height"]))
    return View(Rows(rows), machine, int(status["height"]), int(status["time"]))


def read_rows(chain: Chain, height: int) -> dict[str, bytes]:
    """Read the whole state of a chain at a height, page by page: path to value.

    Raises:
        Rejected: the chain does not answer.
    """
    rows: dict[str, bytes] = {}
    after = ""
    while True:
        asked = f"/v1/state?height={height}&limit={PAGE}" + (f"&after={after}" if after else "")
        page = codec.convert(chain.get(asked), Page)
        rows.update((entry.path, entry.value) for entry in page.entries)
        if page.next is None:
            return rows
        after = page.next
