"""Keeps a mesh busy while it is killed: batches of transfers on every chain, coins and stake that cross between chains.

Everything is sent again until it is known what became of it; nothing here minds a process that is away.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from meshes import channel
from meshsec.world.base import World
from meshsec.world.chain import Chain
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import Denom
from meshsec_core.modules.bank import Send
from meshsec_sdk.client import Client, Receipt
from meshsec_sdk.errors import OutcomeUnknown, TxRejected
from meshsec_sdk.wallet import Wallet
from torture.mesh import LOOK_SECONDS, until

PAYER, PAYEE = "carol", "dave"
"""Who sends one unit at a time within a chain; nobody else touches their coins."""
LENDER = "alice"
BATCH = 20
COLLATERAL = 50_000_000


class Load:
    """Threads that load a mesh until they are told to stop.

    Args:
        world: the mesh.
        urls: chain to its HTTP interface.
        seed: of what crosses.
    """

    def __init__(self, world: World, urls: dict[str, str], seed: int) -> None:
        self.receipts: dict[str, dict[str, Receipt]] = {name: {} for name in urls}
        """Chain to hash to receipt of every transfer of which anybody was told that it is in a block."""
        self.crossed: Counter[str] = Counter()
        """What crossed, or the code of its refusal, to how often."""
        self.lost = 0
        """Batches of which a part vanished with the mempool."""
        self.failed: list[BaseException] = []
        self._world = world
        self._clients: list[Client] = []
        self._stopping = threading.Event()
        self._going = threading.Event()
        self._parked: set[str] = set()
        works: dict[str, Callable[[], None]] = {name: self._paying(name, url) for name, url in urls.items()}
        works["across"] = self._crossing(Random(seed))
        self._threads = [threading.Thread(target=self._run, args=item, name=item[0], daemon=True) for item in works.items()]

    @property
    def included(self) -> int:
        """How many transfers are known to be in blocks."""
        return sum(len(found) for found in self.receipts.values())

    def __enter__(self) -> "Load":
        """Lock collateral and begin."""
        for chain in self._world.chains.values():
            chain.send(LENDER, {"@type": "mesh/Bond", "amount": str(COLLATERAL)})
        self._going.set()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._going.set()
        for thread in self._threads:
            thread.join()
        for client in self._clients:
            client.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold everything between two pieces of work."""
        self._going.clear()
        until(lambda: len(self._parked) == len(self._threads) or bool(self.failed), "the load to pause")
        yield
        self._going.set()

    def _run(self, name: str, work: Callable[[], None]) -> None:
        try:
            while not self._stopping.is_set():
                if not self._going.is_set():
                    self._parked.add(name)
                    self._going.wait()
                    self._parked.discard(name)
                    continue
                work()
        except BaseException as error:
            self.failed.append(error)

    def _paying(self, name: str, url: str) -> Callable[[], None]:
        client = Client(url)
        self._clients.append(client)
        denom = Denom(client.status().denom)
        payee = Wallet.named(client, PAYEE).address

        def pay() -> None:
            try:
                wallet = Wallet.named(client, PAYER)  # a new one asks the chain for its sequence: a kill empties the mempool
                signed = [wallet.sign(Send(payee, denom, 1)) for _ in range(BATCH)]
                accepted = client.submit_batch(signed).accepted
                self._follow(name, client, accepted)
            except (OutcomeUnknown, Rejected, TxRejected):
                time.sleep(LOOK_SECONDS)

        return pay

    def _follow(self, name: str, client: Client, hashes: tuple[str, ...]) -> None:
        """Note the receipts of a batch; the end of a batch may die with its mempool."""
        for tx_hash in hashes:
            while (receipt := client.receipt(tx_hash)) is None:
                if client.status().height and client.get("/v1/status")["waiting"] == "0" and client.receipt(tx_hash) is None:
                    self.lost += 1
                    return
                time.sleep(LOOK_SECONDS)
            if receipt.code:
                raise AssertionError(f"{name}: a transfer was refused in its block: {receipt}")
            self.receipts[name][tx_hash] = receipt

    def _crossing(self, random: Random) -> Callable[[], None]:
        def cross() -> None:
            here, there = (self._world.chains[name] for name in random.sample(sorted(self._world.chains), 2))
            kind, amount = random.choice(("transfer", "lend", "unlend")), random.randint(1, 1_000)
            try:
                here.send(LENDER, _crossing_message(kind, here, there, amount))
            except TxRejected as refusal:
                kind = refusal.code
            except (Rejected, OutcomeUnknown) as silence:
                kind = type(silence).__name__
            self.crossed[kind] += 1

        return cross


def _crossing_message(kind: str, here: Chain, there: Chain, amount: int) -> dict[str, str]:
    if kind == "transfer":
        receiver = there.user("bob").address
        return {
            "@type": "transfer/Transfer",
            "channel": channel(here.world, here.name, there.name)["channel_id"],
            "denom": here.names.denom,
            "amount": str(amount),
            "receiver": receiver,
        }
    stake = {"consumer": there.name, "validator": f"{there.name}/val-0", "amount": str(amount)}
    return {"@type": "mesh/StakeRemote" if kind == "lend" else "mesh/Unstake", **stake}
