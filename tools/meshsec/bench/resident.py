"""What a process takes of the machine, as Linux counts it."""

import os
from pathlib import Path

from meshsec_core.kernel.errors import Rejected

UNSUPPORTED = "bench/unsupported"

KIB_PER_MIB = 1_024


def resident_mib(pid: int | None = None) -> float:
    """Return the resident set of a process, pages shared with others included; by default of this one.

    Raises:
        Rejected: `bench/unsupported` where there is no `/proc`.
    """
    sizes = dict(line.split(":", 1) for line in _read(pid, "status").splitlines())
    return int(sizes["VmRSS"].split()[0]) / KIB_PER_MIB


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used.

    Raises:
        Rejected: `bench/unsupported` where there is no `/proc`.
    """
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _read(pid: int | None, name: str) -> str:
    path = Path(f"/proc/{pid or 'self'}/{name}")
    if not path.exists():
        raise Rejected(UNSUPPORTED, needs="/proc")
    return path.read_text()
