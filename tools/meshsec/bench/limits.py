"""What this machine does at most, without anything of ours around it: signatures, hashes, disk and HTTP.

Other suites measure again, in their own run, the limit that they are held against.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from subprocess import PIPE

from meshsec.bench import signatures
from meshsec.bench.figure import Figure, busy_seconds, figure, seconds
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_sdk.transport import HttpTransport

MIB = 2**20
PAGE = bytes(4_096)
"""What is written before each sync: about what a block without transactions adds to a file."""

PLAIN_SERVER = """
import socket, uvicorn
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
async def app(scope, receive, send):
    headers = [(b"content-type", b"application/json"), (b"content-length", b"17")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"height": "123"}'})
config = uvicorn.Config(app, lifespan="off", access_log=False, log_level="error")
uvicorn.Server(config).run([listener])
"""
"""Answers every request with the same few bytes."""

VERIFIER = """
import sys
from meshsec.bench.signatures import verified_per_s
print("ready", flush=True)
sys.stdin.readline()
print(verified_per_s(int(sys.argv[1])), flush=True)
"""
"""Verifies as many signatures as it is told once a line comes, and says how many a second of processor time."""


def measure(tries: int = 5, count: int = 2_000, mebibytes: int = 64, syncs: int = 100) -> Iterator[Figure]:
    """Measure `limits.ed25519_per_s` of one core, `limits.ed25519_all_cores_per_s`, `limits.sha256_mib_per_s`,
    `limits.fsync_per_s` of pages added to a file, and `limits.http_per_s` of one client that asks uvicorn one thing at a time.

    Args:
        tries: how many times over.
        count: signatures for each core, and requests.
        mebibytes: to hash.
        syncs: of the disk.
    """
    yield figure("limits.ed25519_per_s", [signatures.verified_per_s(count) for _ in range(tries)], "signatures/s")
    yield figure("limits.ed25519_all_cores_per_s", [on_all_cores_per_s(count) for _ in range(tries)], "signatures/s")
    hashed = [mebibytes / busy_seconds(sha256, bytes(mebibytes * MIB)) for _ in range(tries)]
    yield figure("limits.sha256_mib_per_s", hashed, "MiB/s")
    yield figure("limits.fsync_per_s", [fsyncs_per_s(syncs) for _ in range(tries)], "syncs/s")
    with plain_server() as line:
        yield figure("limits.http_per_s", [requests_per_s(line, "/", count) for _ in range(tries)], "requests/s")


def fsyncs_per_s(count: int) -> float:
    """Append pages to a file where meshes of measurements live, each made durable; return how many a second."""
    with tempfile.TemporaryDirectory(prefix="meshsec-bench-") as folder, (Path(folder) / "file").open("wb", buffering=0) as file:

        def append() -> None:
            for _ in range(count):
                file.write(PAGE)
                os.fdatasync(file.fileno())

        return count / seconds(append)


@contextlib.contextmanager
def plain_server() -> Iterator[HttpTransport]:
    """Run a server that does nothing but answer."""
    with subprocess.Popen([sys.executable, "-c", PLAIN_SERVER], stdout=PIPE, text=True) as process:
        try:
            with contextlib.closing(HttpTransport(f"http://127.0.0.1:{_line(process)}")) as line:
                yield line
        finally:
            process.kill()


def requests_per_s(line: HttpTransport, path: str, count: int) -> float:
    """Ask for something again and again, one request at a time; return how many a second."""
    line.get(path)

    def ask() -> None:
        for _ in range(count):
            line.get(path)

    return count / seconds(ask)


def on_all_cores_per_s(count: int) -> float:
    """Verify signatures in one process for each core at the same time; return how many a second they verify together,
    each by its own processor time."""
    with contextlib.ExitStack() as stack:
        command = [sys.executable, "-c", VERIFIER, str(count)]
        begun = (subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) for _ in range(os.cpu_count() or 1))
        each = [stack.enter_context(process) for process in begun]
        for process in each:
            _line(process)
        for process in each:
            _begin(process)
        return sum(float(_line(process)) for process in each)


def _line(process: subprocess.Popen[str]) -> str:
    """Read a line from a process that owes one."""
    said = (process.stdout.readline() if process.stdout else "").strip()
    if not said:
        raise InvariantViolated("a process that was to measure a limit has ended")
    return said


def _begin(process: subprocess.Popen[str]) -> None:
    if process.stdin:
        process.stdin.write("\n")
        process.stdin.flush()
