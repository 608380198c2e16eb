"""Verifies the signatures of many transactions on threads, so that the checks to come find the verdicts in the memo."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from meshsec_core.kernel.crypto import MemoVerifier, verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.runtime.tx import ReadTx

SLICE = 64
"""Signatures per piece of work for a thread."""

Question = tuple[bytes, bytes, bytes]


class Ahead:
    """A few threads and the memo that they fill.

    Args:
        threads: how many.
        memo: keeps the verdicts.
    """

    def __init__(self, threads: int, memo: MemoVerifier) -> None:
        self._pool = ThreadPoolExecutor(threads, "verify")
        self._memo = memo

    async def verify(self, read: Callable[[bytes], ReadTx], raws: tuple[bytes, ...]) -> None:
        """Verify the signatures of transactions; those that `read` refuses are left out."""
        loop = asyncio.get_running_loop()
        pending: list[asyncio.Future[list[tuple[Question, bool]]]] = []
        for start in range(0, len(raws), SLICE):
            questions = [found for raw in raws[start : start + SLICE] if (found := _question(read, raw)) is not None]
            pending.append(loop.run_in_executor(self._pool, _verify_all, questions))
            await asyncio.sleep(0)
        for future in pending:
            for question, verdict in await future:
                self._memo.remember(question, verdict)

    def stop(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _question(read: Callable[[bytes], ReadTx], raw: bytes) -> Question | None:
    try:
        found = read(raw)
    except Rejected:
        return None
    return found.tx.pub_key, found.sign_bytes, found.tx.signature


def _verify_all(questions: list[Question]) -> list[tuple[Question, bool]]:
    return [(question, verify(*question)) for question in questions]
