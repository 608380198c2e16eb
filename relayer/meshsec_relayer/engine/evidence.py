"""Carries proof of what validators signed twice to a chain that lends security to where it happened: of one validator's votes,
or of a fork.

The lender believes the signatures, not a report of them. Its client may be frozen by then; it still knows whose they are.
"""

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import LinkId
from meshsec_core.kernel.wire.ibc import HEADER_URL, any_encode
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.kernel.wire.tendermint import DuplicateVoteEvidence, Evidence, decode_evidence, encode_evidence
from meshsec_core.security.model import CONSUMER_SIDE, PROVIDER_SIDE, Accusation, SecurityModel
from meshsec_relayer.engine.account import Account
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.docket import Docket
from meshsec_relayer.engine.meters import Meters
from meshsec_relayer.engine.path import Path, Tell
from meshsec_relayer.engine.tasks import Task


class Accuser:
    """Watches `consumer`, tells the other chain of the path, over every link on which it lends under one of the models."""

    def __init__(
        self, path: Path, consumer: Chain, account: Account, docket: Docket[Evidence], models: tuple[SecurityModel, ...]
    ) -> None:
        self.path = path
        self.consumer = consumer
        self.docket = docket
        self._account = account
        self._models = models

    def notice(self, height: int, found: tuple[bytes, ...]) -> None:
        """Take in the evidence of a block.

        Raises:
            Rejected: a `wire/…` code if it is no evidence.
        """
        for raw in found:
            evidence = decode_evidence(raw)
            if self._lenders() or not self.path.ready:
                self.docket.open(height, evidence)

    def run(self, meters: Meters, tell: Tell) -> Task[None]:
        """Tell for ever."""
        told = {"consumer": self.consumer.name, "provider": self._account.chain.name}

        def accuse(evidence: Evidence) -> Task[None]:
            yield from self.docket.leave_to_others()
            for accusation, link in self._lenders():
                code = yield from self._accuse(evidence, accusation, link)
                if code and code not in accusation.settled:
                    raise Rejected(code)
                if not code:
                    meters.count("evidence_submitted_total", chain=self._account.chain.name)
                tell("info", "evidence", code=code, **told)

        def failed(refusal: Rejected, hopeless: bool) -> None:
            tell("warning", "evidence-given-up" if hopeless else "evidence", code=refusal.code, **told)

        yield self.path.until_open()
        yield from self.docket.run(f"a validator of {self.consumer.name} to be caught", accuse, failed)

    def _accuse(self, evidence: Evidence, accusation: Accusation, link: LinkId) -> Task[str]:
        """Submit a case; return the refusal's code, or nothing."""
        client = self.path.clients[self._account.chain.name]
        past = yield from client.past_header(min(_height(evidence), self.consumer.height))
        proof = any_encode(HEADER_URL, encode(past.header))
        outcome = yield from self._account.submit((*past.updates, accusation.message(link, encode_evidence(evidence), proof)))
        return outcome.code

    def _lenders(self) -> list[tuple[Accusation, LinkId]]:
        """Return the provider's channels over which it lends the watched chain security, and how it is told of a fault there."""
        found = []
        for channel in self.path.book.served():
            port, name = channel.ends[self._account.chain.name]
            for model in self._models:
                sides = (model.port(PROVIDER_SIDE), model.port(CONSUMER_SIDE))
                if model.accusation is not None and sides == (port, channel.ends[self.consumer.name][0]):
                    found.append((model.accusation, LinkId(name)))
        return found


def _height(evidence: Evidence) -> int:
    """Return the height of which the votes, or the conflicting block, are."""
    if isinstance(evidence, DuplicateVoteEvidence):
        return evidence.vote_a.height
    return evidence.conflicting_block.signed_header.header.height
