"""What `status` and a live `up` show: every chain with its stake, every relayer with what is on its way."""

import os
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec
from rich.table import Table

from meshsec.home import Home
from meshsec.world.chain import accepted
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.transport import HttpTransport

GLANCE_SECONDS = 2.0
"""How long a process may take to answer before it is shown as silent."""


class ChainLook(msgspec.Struct, frozen=True):
    """One chain."""

    height: int = 0
    time: int = 0
    """Header time of the tip, nanoseconds."""
    validators: int = 0
    native: int = 0
    """Power of the active set that is the chain's own."""
    lent: int = 0
    """Power of the active set that other chains lend."""
    block_mode: str = ""
    problems: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    """What has been broken on purpose."""


class RelayerLook(msgspec.Struct, frozen=True):
    """One relayer."""

    pending: int = 0
    """Packets under way."""
    idle: bool = False
    paused: bool = False
    problems: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    """What has been broken on purpose."""


class Look(msgspec.Struct, frozen=True):
    """A mesh at a moment."""

    dir: str
    page: str
    pid: int
    chains: dict[str, ChainLook]
    relayers: dict[str, RelayerLook]
    processes: dict[str, int]
    """Process to its id; 0 while it is away."""


class Picture:
    """Looks at a running mesh. Use it as a context manager.

    Raises:
        Rejected: `mesh/not-running`.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._order = [chain.name for chain in home.manifest().mesh.chains]
        urls = home.running().endpoints
        self._chains = {name: HttpTransport(urls.chains[name], GLANCE_SECONDS) for name in self._order}
        self._relayers = {name: HttpTransport(url, GLANCE_SECONDS) for name, url in urls.relayers.items()}

    def look(self) -> Look:
        """Ask every process; one that is silent is shown as such."""
        running = self._home.running()
        return Look(
            str(self._home.path),
            running.endpoints.gateway,
            running.pid,
            {name: _chain(transport) for name, transport in self._chains.items()},
            {name: self._relayer(name, running.children.get(f"relayer-{name}", 0)) for name in self._relayers},
            running.children,
        )

    def _relayer(self, name: str, pid: int) -> RelayerLook:
        if not pid:
            return RelayerLook(problems=("taken away",))
        try:
            status = accepted(*self._relayers[name].get("/v1/status"))
        except Rejected as refusal:
            return RelayerLook(problems=(refusal.code,))
        paths = [f"{key}: {path['problem'] or 'opening'}" for key, path in status["paths"].items() if not path["ready"]]
        return RelayerLook(int(status["pending"]), status["idle"], status["paused"], tuple(paths), tuple(status["faults"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for transport in (*self._chains.values(), *self._relayers.values()):
            transport.close()


def _chain(transport: HttpTransport) -> ChainLook:
    try:
        status = accepted(*transport.get("/v1/status"))
        voters = accepted(*transport.get("/v1/validators"))["validators"]
    except Rejected as refusal:
        return ChainLook(problems=(refusal.code,))
    lent = sum(int(power) for voter in voters for power in (voter["virtual"] or {}).values())
    return ChainLook(
        int(status["height"]),
        int(status["time"]),
        len(voters),
        sum(int(voter["power"]) for voter in voters) - lent,
        lent,
        status["block_mode"],
        tuple(status["reasons"]),
        tuple(status["faults"]),
    )


def draw(seen: Look) -> Table:
    """Draw what was seen."""
    table = Table(
        title=f"{seen.page}   {os.path.relpath(Path(seen.dir))}", title_justify="left", title_style="bold", expand=False
    )
    columns: dict[str, Literal["left", "right"]] = {
        "chain": "left",
        "height": "right",
        "native power": "right",
        "lent power": "right",
        "state": "left",
    }
    for heading, side in columns.items():
        table.add_column(heading, justify=side)
    for name, chain in seen.chains.items():
        state = "; ".join((_state(chain.problems, f"{chain.validators} validators"), *chain.faults))
        table.add_row(name, str(chain.height), f"{chain.native:,}", f"{chain.lent:,}", state)
    for name, found in seen.relayers.items():
        doing = "paused" if found.paused else "idle" if found.idle else "working"
        state = "; ".join((_state(found.problems, f"{doing}, {found.pending} packets under way"), *found.faults))
        table.add_row(f"relayer {name}", "", "", "", state)
    return table


def _state(problems: tuple[str, ...], fine: str) -> str:
    return f"[red]{'; '.join(problems)}[/red]" if problems else fine
