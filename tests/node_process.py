"""One chain as a real process, for tests: started from a settings file, waited for by what it says, never by the clock."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from meshsec_core.kernel import codec
from meshsec_sdk.client import Client
from meshsec_sdk.mesh_file import GENESIS_TIME, genesis_of, topology


class NodeProcess:
    """A chain of the mesh `pair` under a directory; may be killed and started again."""

    def __init__(self, home: Path, name: str = "osmosis", **settings: Any) -> None:
        home.mkdir(parents=True, exist_ok=True)
        mesh = topology("pair")
        self.home = home
        self.config = home / "node.json"
        (home / "genesis.json").write_bytes(codec.encode(genesis_of(mesh, name, GENESIS_TIME)))
        given = {
            "genesis": str(home / "genesis.json"),
            "home": str(home),
            "mesh": {chain.name: chain.names.prefix for chain in mesh.chains},
            "block_mode": "auto",
            "development": True,
            "clock_offset": GENESIS_TIME - time.time_ns(),
            **settings,
        }
        self.config.write_text(json.dumps(given))
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def launch(self, **options: Any) -> subprocess.Popen[str]:
        """Start a process without waiting for it."""
        command = [sys.executable, "-m", "meshsec_node", "--config", str(self.config)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def start(self, **options: Any) -> Self:
        """Start the process and wait until it says that it serves."""
        process = self._process = self.launch(**options)
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            if said["event"] == "serving":
                self.url = f"http://127.0.0.1:{said['port']}"
                return self
        assert process.stderr is not None
        raise AssertionError(f"the node ended: {process.stderr.read()}")

    def client(self) -> Client:
        """Return a client of the running process."""
        return Client(self.url)

    @property
    def process(self) -> subprocess.Popen[str]:
        """The running process."""
        assert self._process is not None
        return self._process

    def kill(self) -> None:
        """Kill the process without warning."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask the process to end; return its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait until the process has ended; return its exit code."""
        self.process.communicate(timeout=20)
        return self.process.returncode

    def __enter__(self) -> Self:
        return self if self._process is not None else self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()
