"""Everything about a mesh that helps to find a bug, as one file: what `meshsec dump` leaves.

Development keys are public, and nothing else that is secret is ever in a mesh; of the environment only `MESHSEC_*` is told, and
of those no token.
"""

import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from meshsec.checkup import look
from meshsec.home import Home
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.transport import HttpTransport

CANNOT_WRITE = "dump/cannot-write"

SECONDS = 2.0
"""How long a process may take for an answer."""
LOG_BYTES = 2 * 1_048_576
"""Of each log, from its end."""
BLOCKS = 20
"""The last ones of each chain."""
RUNS = 3
"""The newest runs of stories."""

CHAIN_ROUTES = ("/v1/status", "/readyz", "/v1/validators", "/v1/query/ibc/clients", "/v1/query/ibc/channels")
RELAYER_ROUTES = ("/v1/status", "/readyz", "/v1/packets")
METRICS = "/metrics"


def collect(home: Home, file: Path) -> list[str]:
    """Write the bundle and return the names of what is in it; what cannot be had is told in its place.

    Raises:
        Rejected: `dump/cannot-write` if the file exists or cannot be written.
    """
    names: list[str] = []
    try:
        with zipfile.ZipFile(file, "x", zipfile.ZIP_DEFLATED) as archive:
            for name, content in _everything(home):
                archive.writestr(name, content)
                names.append(name)
    except OSError as error:
        hint = "choose another name with --out"
        raise Rejected(CANNOT_WRITE, file=str(file), reason=str(error.strerror or error), hint=hint) from None
    return names


def _everything(home: Home) -> Iterator[tuple[str, bytes]]:
    yield "doctor.json", codec.encode(look(home))
    told = {name: value for name, value in os.environ.items() if name.startswith("MESHSEC_") and "TOKEN" not in name}
    yield "environment.json", codec.encode(told)
    for path in (home.manifest_file, home.running_file):
        if path.exists():
            yield path.name, path.read_bytes()
    for path in sorted(home.log("").parent.glob("*.log")):
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - LOG_BYTES))
            yield f"logs/{path.name}", log.read()
    yield from _answers(home)
    runs = sorted((path for path in (home.path / "runs").glob("*") if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for run in runs[-RUNS:]:
        for path in sorted(run.iterdir()):
            if path.is_file():
                yield f"runs/{run.name}/{path.name}", path.read_bytes()


def _answers(home: Home) -> Iterator[tuple[str, bytes]]:
    """Ask every process that is said to run."""
    try:
        urls = home.running().endpoints
    except Rejected:
        return
    for name, url in urls.chains.items():
        with closing(HttpTransport(url, SECONDS)) as line:
            told = _asked(line, CHAIN_ROUTES)
            height = int(told["/v1/status"].get("height", 0))
            told |= _asked(line, [f"/v1/blocks/{known}" for known in range(max(1, height - BLOCKS + 1), height + 1)])
            yield from _parts(f"chains/{name}", line, told)
    for name, url in urls.relayers.items():
        with closing(HttpTransport(url, SECONDS)) as line:
            yield from _parts(f"relayers/{name}", line, _asked(line, RELAYER_ROUTES))


def _parts(name: str, line: HttpTransport, told: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    yield f"{name}.json", codec.encode(told)
    yield f"{name}.metrics", _lines(line)


def _asked(line: HttpTransport, routes: Iterable[str]) -> dict[str, Any]:
    return {route: _ask(line, route) for route in routes}


def _ask(line: HttpTransport, route: str) -> Any:
    try:
        return line.get(route)[1]
    except Rejected as refusal:
        return {"problem": str(refusal)}


def _lines(line: HttpTransport) -> bytes:
    try:
        return "\n".join(line.lines(METRICS)).encode()
    except Rejected as refusal:
        return str(refusal).encode()
