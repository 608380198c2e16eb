"""A gateway process from its settings to its end.

`run` builds everything and may be called in a forked child: nothing is read or built at import.
"""

import socket

from meshsec.gateway.api import build_app
from meshsec.gateway.gateway import Gateway
from meshsec.gateway.settings import GatewaySettings, read_gateway_settings
from meshsec_sdk import logs, serving


def main(arguments: list[str] | None = None) -> int:
    """Run a gateway from the command line; return the exit code."""
    about = "One port for a whole development mesh."
    return serving.command("meshsec.gateway", about, lambda path: run(read_gateway_settings(path)), arguments)


def run(settings: GatewaySettings, listener: socket.socket | None = None) -> int:
    """Serve a mesh until SIGTERM, SIGINT or the end of the supervisor; return the exit code.

    Args:
        settings: what to serve.
        listener: a listening socket to serve on instead of the settings' host and port.

    Raises:
        Rejected: `process/port-in-use`.
    """
    logs.set_up(settings.log_level, process="gateway")
    serving.run(settings, listener, lambda opened: _serve(settings, opened))
    return 0


async def _serve(settings: GatewaySettings, listener: socket.socket) -> None:
    async with Gateway(settings) as gateway:
        await serving.serve(build_app(gateway), listener, gateway.stop, chains=", ".join(settings.chains))
