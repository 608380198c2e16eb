"""Who waits at a chain: for the receipt of a transaction, or for anything new."""

import asyncio
from collections.abc import Callable, Iterable

from meshsec_core.app import Receipt
from meshsec_core.kernel.errors import Rejected

DROPPED = "tx/dropped"


class Waiting:
    """Everybody who waits; all of them are on the loop that makes the blocks."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._receipts: dict[bytes, list[asyncio.Future[Receipt]]] = {}

    async def receipt(self, tx_hash: bytes, seconds: float) -> Receipt | None:
        """Wait for a transaction's receipt; None if it takes longer than so many seconds.

        Raises:
            Rejected: `tx/dropped`, or what everybody is disappointed with.
        """
        waiter: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._receipts.setdefault(tx_hash, []).append(waiter)
        try:
            return await asyncio.wait_for(waiter, seconds)
        except TimeoutError:
            return None

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until something new makes a condition hold; False after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def tell(self) -> None:
        """Let everybody look again."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    def answer(self, receipts: Iterable[Receipt], is_queued: Callable[[bytes], bool]) -> None:
        """Hand out the receipts of a block, and disappoint who waits for a transaction that it has made invalid."""
        if not self._receipts:
            return
        for receipt in receipts:
            for waiter in self._receipts.pop(bytes.fromhex(receipt.hash), ()):
                if not waiter.done():
                    waiter.set_result(receipt)
        for tx_hash in [waited for waited in self._receipts if not is_queued(waited)]:
            _refuse(self._receipts.pop(tx_hash), Rejected(DROPPED, hash=tx_hash.hex()))

    def disappoint(self, refusal: Rejected) -> None:
        """Tell everybody that no receipt will come."""
        waiting, self._receipts = self._receipts, {}
        for waiters in waiting.values():
            _refuse(waiters, refusal)

    def stop(self) -> None:
        """Let nobody wait any longer."""
        self._news.set()
        for waiter in (waiter for waiters in self._receipts.values() for waiter in waiters):
            waiter.cancel()


def _refuse(waiters: Iterable[asyncio.Future[Receipt]], refusal: Rejected) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(refusal)
