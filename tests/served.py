"""A chain of the mesh `pair` in memory, served for the length of a test."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
from fastapi import FastAPI

from meshsec_core.kernel.crypto import MemoVerifier
from meshsec_core.replica.replica import Replica
from meshsec_core.replica.storage import MemoryStorage
from meshsec_node.aliases import Aliases
from meshsec_node.api import build_app
from meshsec_node.runner import Runner
from meshsec_node.settings import BlockMode, Settings
from meshsec_sdk import mesh_file
from meshsec_sdk.models import load_models

T = TypeVar("T")


def serve(act: Callable[[Runner, FastAPI], Awaitable[T]], *, development: bool = True) -> T:
    """Run a chain of the mesh `pair` in memory for the length of `act`."""

    async def inside() -> T:
        mesh = mesh_file.topology("pair")
        genesis = mesh_file.genesis_of(mesh, "osmosis")
        storage, verifier = MemoryStorage(), MemoVerifier()
        keys = mesh_file.consensus_keys(mesh.chain("osmosis"))
        replica = Replica.open(genesis, keys, storage, verify=verifier, models=load_models(genesis.models))
        aliases = Aliases(mesh.chain("osmosis").names, {chain.name: chain.names for chain in mesh.chains})
        given = Settings(
            "", "", development=development, block_mode=BlockMode.AUTO, clock_offset=mesh_file.GENESIS_TIME - time.time_ns()
        )
        runner = Runner(given, replica, storage, verifier, aliases)
        loop = asyncio.ensure_future(runner.run())
        try:
            return await act(runner, build_app(runner))
        finally:
            runner.stop()
            await loop

    return asyncio.run(inside())


def over_http(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chain")
