"""Remembers what a mesh told anybody, and compares it with what the mesh says and holds later."""

from random import Random
from typing import Any

from meshsec.world.chain import Chain
from meshsec.world.laws import check_laws
from meshsec.world.process import ProcessWorld
from meshsec_core.replica.storage import Table, height_key
from meshsec_node.storage import SqliteStorage
from torture import books
from torture.load import PAYEE, PAYER, Load
from torture.mesh import MortalMesh

SAMPLE = 12
"""How many of the latest and how many of the earlier heights and receipts are compared after each kill."""


class Witness:
    """What one mesh said so far."""

    def __init__(self, world: ProcessWorld, load: Load, random: Random) -> None:
        self.world = world
        self._load = load
        self._random = random
        self.blocks: dict[str, dict[int, tuple[str, str]]] = {name: {} for name in world.chains}
        """Chain to height to (block hash, app hash in the header)."""
        self.signed: dict[str, dict[tuple[str, int, int, int], bytes]] = {name: {} for name in world.chains}
        self.begun = {name: self._coins(chain) for name, chain in world.chains.items()}

    def look(self) -> None:
        """Remember where every chain stands now."""
        for name, chain in self.world.chains.items():
            status = chain.get("/v1/status")
            height = int(status["height"])
            self._remember(name, height, chain.get(f"/v1/blocks/{height}"))

    def compare(self, name: str, *, everything: bool = False) -> None:
        """Compare what a chain says with what it said, and check the laws of its modules.

        Raises:
            AssertionError: it says something else.
            InvariantViolated: a law does not hold.
        """
        chain, blocks, receipts = self.world.chains[name], self.blocks[name], dict(self._load.receipts[name])
        status = chain.get("/v1/status")
        assert int(status["height"]) >= max(blocks, default=0), f"{name} went back to {status['height']}"
        assert status["generation"] == "0"
        for height in list(blocks) if everything else self._some(list(blocks)):
            self._remember(name, height, chain.get(f"/v1/blocks/{height}"))
        for tx_hash in list(receipts) if everything else self._some(list(receipts)):
            found = chain.get(f"/v1/txs/{tx_hash}")
            assert (int(found["height"]), found["code"]) == (receipts[tx_hash].height, ""), f"{name}: {tx_hash} is {found}"
        guilty = [item["name"] for item in chain.query("staking", "validators") if item["tombstoned"] or item["jailed"]]
        assert not guilty, f"{name}: {guilty} are punished"
        check_laws(self.world.spec, self.world.home.manifest().genesis_time, {name: chain}, lambda _: False)

    def inspect(self, mesh: MortalMesh, name: str) -> None:
        """Compare what a chain that is dead holds on disk with all that it said and signed."""
        with books.copied(mesh.home, name, mesh.home.path / "copies" / name) as storage:
            self._compare_rows(name, storage)

    def _compare_rows(self, name: str, storage: SqliteStorage) -> None:
        for height in self.blocks[name]:
            assert storage.get(Table.BLOCKS, height_key(height)) is not None, f"{name}: block {height} is not on disk"
        for tx_hash in dict(self._load.receipts[name]):
            assert storage.get(Table.TXS, bytes.fromhex(tx_hash)) is not None, f"{name}: {tx_hash} is not on disk"
        assert not list(storage.scan(Table.EVIDENCE)), f"{name} holds evidence against its validators"
        for at, content in books.signed(storage).items():
            assert self.signed[name].setdefault(at, content) == content, f"{name}: {at} was signed twice"

    def settle(self) -> None:
        """Let everything arrive and check every law, within chains and across; count every coin."""
        self.world.settle()
        for name, chain in self.world.chains.items():
            (payer, payee), (payer_before, payee_before) = self._coins(chain), self.begun[name]
            sequence = int(chain.get(f"/v1/accounts/{chain.user(PAYER).address}")["sequence"])
            assert (payer_before - payer, payee - payee_before) == (sequence, sequence), f"{name}: {payer} {payee} {sequence}"
            assert sequence >= len(self._load.receipts[name]), f"{name}: {sequence} transfers, more were told"

    def _remember(self, name: str, height: int, block: dict[str, Any]) -> None:
        found = block["hash"], block["header"]["app_hash"]
        assert self.blocks[name].setdefault(height, found) == found, f"{name}: block {height} was {self.blocks[name][height]}"

    def _some(self, known: list[Any]) -> list[Any]:
        return known[-SAMPLE:] + self._random.sample(known, min(SAMPLE, len(known)))

    def _coins(self, chain: Chain) -> tuple[int, int]:
        return chain.user(PAYER).balance(), chain.user(PAYEE).balance()
