"""A relayer process from its configuration to its end.

`run` builds everything and may be called in a forked child: nothing is read or built at import.
"""

import socket
from pathlib import Path

from meshsec_relayer.api import build_app
from meshsec_relayer.config import RelayerConfig, read_config
from meshsec_relayer.engine.engine import Engine
from meshsec_relayer.runner import Runner
from meshsec_relayer.store import FileStore, MemoryStore, Store
from meshsec_sdk import logs, names, serving
from meshsec_sdk.models import load_models


def main(arguments: list[str] | None = None) -> int:
    """Run a relayer from the command line; return the exit code."""
    about = "Carries packets between the chains of a mesh."
    return serving.command("meshsec_relayer", about, lambda path: run(read_config(path)), arguments)


def run(config: RelayerConfig, listener: socket.socket | None = None) -> int:
    """Relay until SIGTERM, SIGINT or the end of the supervisor; return the exit code.

    Args:
        config: what to serve.
        listener: a bound socket to serve on instead of the configuration's host and port.

    Raises:
        Rejected: `process/port-in-use`, `genesis/unknown-model`, or the durable image is refused.
    """
    logs.set_up(config.log_level, process="relayer", relayer=config.id)
    serving.run(config, listener, lambda opened: _serve(config, opened))
    return 0


async def _serve(config: RelayerConfig, listener: socket.socket) -> None:
    store: Store = FileStore(Path(config.store)) if config.store else MemoryStore()
    models = tuple(load_models(config.models).values())
    runner = Runner(config, Engine(config, names.development_key(config.key_path), store.load(), models), store)
    await serving.serve(build_app(runner), listener, runner.stop, runner.run(), chains=", ".join(config.chains))
