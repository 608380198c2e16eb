"""Carries proof of a validator's double sign to a chain that lends security to where it happened.

The lender believes the two signatures, not a report of them.
"""

from dataclasses import dataclass

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import LinkId
from meshsec_core.kernel.wire.ibc import HEADER_URL, any_encode
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.kernel.wire.tendermint import DuplicateVoteEvidence, decode_evidence, encode_evidence
from meshsec_core.security.mesh.packets import CONSUMER_PORT, PROVIDER_PORT
from meshsec_core.security.mesh.provider.evidence import SubmitEvidence
from meshsec_core.security.mesh.provider.reports import FAULT_CHARGED
from meshsec_relayer.engine.account import Account
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.controls import Controls
from meshsec_relayer.engine.lane import MOST_ATTEMPTS, rest
from meshsec_relayer.engine.meters import Meters
from meshsec_relayer.engine.path import Path, Tell
from meshsec_relayer.engine.tasks import Task, Tasks, Until


@dataclass(slots=True)
class Case:
    """A fault that has been seen in a block."""

    seen_at: int
    evidence: DuplicateVoteEvidence
    attempts: int = 0
    retry_at: int = 0


class Accuser:
    """Watches `consumer`, tells the other chain of the path."""

    def __init__(self, path: Path, consumer: Chain, account: Account, tasks: Tasks, controls: Controls) -> None:
        self.path = path
        self.consumer = consumer
        self._account = account
        self._tasks = tasks
        self._controls = controls
        self._cases: list[Case] = []

    def notice(self, height: int, found: tuple[bytes, ...]) -> None:
        """Take in the evidence of a block.

        Raises:
            Rejected: a `wire/…` code if it is no evidence.
        """
        for raw in found:
            evidence = decode_evidence(raw)
            if isinstance(evidence, DuplicateVoteEvidence) and (self._link() or not self.path.ready):
                self._cases.append(Case(height, evidence))

    @property
    def waiting(self) -> bool:
        """Tell whether a fault has not been told yet."""
        return bool(self._cases)

    @property
    def lowest(self) -> int | None:
        """Return the lowest block with a fault that has not been told, or None."""
        return min((case.seen_at for case in self._cases), default=None)

    def run(self, meters: Meters, tell: Tell) -> Task[None]:
        """Tell for ever."""
        yield Until(lambda: self.path.ready, f"the path {self.path.name} to open")
        while True:
            yield Until(
                lambda: self._due() is not None,
                f"a validator of {self.consumer.name} to be caught",
                at=min((case.retry_at for case in self._cases), default=None),
            )
            case = self._due()
            if case is None:
                continue
            try:
                code = yield from self._accuse(case)
            except Rejected as refusal:
                code = refusal.code
            case.attempts += 1
            case.retry_at = self._tasks.now + rest(case.attempts)
            if code in ("", FAULT_CHARGED) or case.attempts >= MOST_ATTEMPTS:
                self._cases.remove(case)
            if not code:
                meters.count("evidence_submitted_total", chain=self._account.chain.name)
            level = "warning" if code not in ("", FAULT_CHARGED) else "info"
            tell(level, "evidence", consumer=self.consumer.name, provider=self._account.chain.name, code=code)

    def _due(self) -> Case | None:
        if self._controls.paused:
            return None
        return next((case for case in self._cases if case.retry_at <= self._tasks.now), None)

    def _accuse(self, case: Case) -> Task[str]:
        """Submit a case; return the refusal's code, or nothing."""
        link = self._link()
        if link is None:
            return FAULT_CHARGED
        client = self.path.clients[self._account.chain.name]
        updates, header = yield from client.past_header(case.evidence.vote_a.height)
        proof = any_encode(HEADER_URL, encode(header))
        outcome = yield from self._account.submit((*updates, SubmitEvidence(link, encode_evidence(case.evidence), proof)))
        return outcome.code

    def _link(self) -> LinkId | None:
        """Return the provider's channel over which it lends the watched chain security."""
        for channel in self.path.book.served():
            port, name = channel.ends[self._account.chain.name]
            if port == PROVIDER_PORT and channel.ends[self.consumer.name][0] == CONSUMER_PORT:
                return LinkId(name)
        return None
