"""Watches what a light client is made to believe, whoever tells it, and compares it with what the followed chain itself says.

Where the two differ, the chain's validators have signed what their chain did not decide. The relayer then shows the client both
headers, so that it freezes, and hands the false one to the chain whose validators signed it, so that they can be punished.

Source: ICS-07 misbehaviour; CometBFT light-client attack detection (spec/light-client/attacks).
"""

from collections.abc import Mapping

import msgspec

from meshsec_core.consensus.attack import make_light_client_attack
from meshsec_core.ibc.client import CLIENT_NOT_ACTIVE, CONSENSUS_STATES, UpdateClient
from meshsec_core.ibc.tendermint import consensus_of
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.hashes import header_hash
from meshsec_core.kernel.wire.ibc import (
    HEADER_URL,
    MISBEHAVIOUR_URL,
    ClientHeader,
    ClientMisbehaviour,
    ConsensusState,
    any_decode,
    any_encode,
)
from meshsec_core.kernel.wire.proto import decode, encode
from meshsec_core.kernel.wire.tendermint import LightBlock, encode_evidence
from meshsec_core.runtime.tx import Tx
from meshsec_relayer.engine.account import Account
from meshsec_relayer.engine.answers import BlockAnswer, EventAnswer, TransactionsAnswer
from meshsec_relayer.engine.boundary import Request
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.client import CLIENT_FROZEN, LightClient, Past, signed_header, unwrap, validator_set
from meshsec_relayer.engine.docket import Docket
from meshsec_relayer.engine.meters import Meters
from meshsec_relayer.engine.path import Path, Tell
from meshsec_relayer.engine.proofs import stored
from meshsec_relayer.engine.tasks import Task, Until, ask, get, problem

NOT_YET = "relayer/height-not-reached"
"""A client knows a height that the chain has not made; only time can tell whether it will."""
NO_HEADER = "relayer/header-not-found"
"""A client has learnt something false, and nobody can say from which transaction."""

LEARNT = "update_client"
FROZE = "client_misbehaviour"
RECOVERED = "recover_client"
CLIENT_EVENTS = (LEARNT, FROZE, RECOVERED)

UPDATE = str(UpdateClient.__struct_config__.tag)


class Sighting(msgspec.Struct, frozen=True):
    """A block of the host that tells of the client."""

    block: int
    tx: str
    """Hash; empty if it happened outside of a transaction."""
    height: int | None
    """What the client has learnt; None if it has frozen."""
    header: str = ""
    """Hash of the header from which it has learnt it."""


class Witness:
    """Watches the client on one chain of a path."""

    def __init__(self, path: Path, account: Account, docket: Docket[Sighting]) -> None:
        self.path = path
        self.host = account.chain
        self.subject = path.other(account.chain.name)
        self.docket = docket
        self._account = account
        self._forgiven = 0
        """Block of the host in which governance last recovered the client: it has chosen its side of all that was told before."""

    def notice(self, block: BlockAnswer) -> None:
        """Take in a block of the host: note what others have shown our client, or any client while ours is not known."""
        client = self.path.clients.get(self.host.name)
        for event in block.events:
            if event.type == RECOVERED and client is not None and event.attributes.get("subject_client_id") == client.id:
                self._forgiven = block.height
            if event.type not in (LEARNT, FROZE) or (client is not None and event.attributes.get("client_id") != client.id):
                continue
            if not self._is_mine(block, event):
                learnt = event.attributes.get("consensus_height", "").rpartition("-")[2]
                height = int(learnt) if event.type == LEARNT and learnt.isdigit() else None
                header = event.attributes.get("header_hash", "")
                self.docket.open(block.height, Sighting(block.height, event.tx or "", height, header))

    def _is_mine(self, block: BlockAnswer, event: EventAnswer) -> bool:
        """Tell whether this relayer told the client itself: it only tells what the chain says."""
        signers = {receipt.hash: receipt.signer for receipt in block.results.receipts}
        return signers.get(event.tx or "") == self._account.address

    def run(self, meters: Meters, tell: Tell) -> Task[None]:
        """Compare for ever."""

        def failed(refusal: Rejected, hopeless: bool) -> None:
            said = "client-watch-given-up" if hopeless else "client-watch"
            tell("error" if hopeless else "warning", said, path=self.path.name, host=self.host.name, reason=refusal)

        yield self.path.until_open()
        why = f"somebody to tell the client of {self.subject.name} on {self.host.name} anything"
        yield from self.docket.run(why, lambda sighting: self._examine(sighting, meters, tell), failed)

    def _examine(self, sighting: Sighting, meters: Meters, tell: Tell) -> Task[None]:
        """Compare one sighting with the chain, and tell both sides if they differ.

        Raises:
            Rejected: it could not be compared or told now.
        """
        client = self.path.clients[self.host.name]
        yield Until(lambda: self.host.caught_up, f"what else {self.host.name} has done")
        if sighting.height is not None and (yield from self._agrees(client, sighting.height, sighting.header)):
            return
        false = yield from self._false_headers(client, sighting)
        if not false and sighting.height is not None:
            tell("error", "client-contradicts", host=self.host.name, client=client.id, height=sighting.height)
            raise Rejected(NO_HEADER, chain=self.host.name, block=sighting.block)
        if false:
            yield from self.docket.leave_to_others()
        for header in false:
            height = header.signed_header.header.height
            tell("error", "misbehaviour", chain=self.subject.name, host=self.host.name, client=client.id, height=height)
            past = yield from client.past_header(min(height, self.subject.height))
            if sighting.block > self._forgiven:
                yield from self._freeze(client, header, past, meters, tell)
            yield from self._denounce(header, past, meters, tell)

    def _agrees(self, client: LightClient, height: int, shown: str) -> Task[bool]:
        """Tell whether the chain has said, or may still say, what the client knows of a height, in the header it was shown."""
        raw = yield from stored(self.host, CONSENSUS_STATES.key(client.id, self.subject.proof_height(height)))
        return raw is None or (yield from self._is_true(height, unwrap(raw, ConsensusState), shown))

    def _is_true(self, height: int, said: ConsensusState, shown: str) -> Task[bool]:
        """Tell whether the chain itself says of a height what somebody says.

        Two blocks of one height may leave a client with the same words: their hashes differ all the same. A height that the
        chain has not made is false as soon as the chain has a lower block that is not earlier.

        Args:
            height: of the header.
            said: what a client takes from it.
            shown: its hash; empty if it is not known.

        Raises:
            Rejected: `relayer/height-not-reached` while that is open.
        """
        if height > self.subject.height:
            if self.subject.time < said.timestamp:
                raise Rejected(NOT_YET, chain=self.subject.name, height=height)
            return False
        header = (yield from signed_header(self.subject, height)).header
        same = shown in ("", header_hash(header).hex())
        return same and said == ConsensusState(header.time, header.app_hash, header.next_validators_hash)

    def _false_headers(self, client: LightClient, sighting: Sighting) -> Task[list[ClientHeader]]:
        """Return the headers in the transaction that the chain does not confirm."""
        if not sighting.tx:
            return []
        block = yield from get(self.host.name, f"/v1/blocks/{sighting.block}", BlockAnswer)
        spelled = yield from get(self.host.name, f"/v1/blocks/{sighting.block}/txs", TransactionsAnswer)
        hashes = [receipt.hash for receipt in block.results.receipts]
        if sighting.tx not in hashes[: len(spelled.txs)]:
            return []
        found: list[ClientHeader] = []
        for header in headers_in(spelled.txs[hashes.index(sighting.tx)], client.id):
            height = header.signed_header.header.height
            shown = header_hash(header.signed_header.header).hex()
            if not (yield from self._is_true(height, consensus_of(header), shown)):
                found.append(header)
        return found

    def _freeze(self, client: LightClient, false: ClientHeader, past: Past, meters: Meters, tell: Tell) -> Task[None]:
        """Show the client the true header beside a false one.

        Raises:
            Rejected: the client was not convinced.
        """
        try:
            yield from client.read()
        except Rejected as refusal:
            if refusal.code == CLIENT_FROZEN:
                return
            raise
        if past.updates:
            yield from self._account.submit(past.updates)
        accusation = any_encode(MISBEHAVIOUR_URL, encode(ClientMisbehaviour(false, past.header)))
        outcome = yield from self._account.submit((UpdateClient(client.id, accusation),))
        client.stale = True
        if not outcome.code:
            meters.count("client_misbehaviours_submitted_total", chain=self.host.name, counterparty=self.subject.name)
            tell("warning", "client-frozen", host=self.host.name, client=client.id)
        elif outcome.code != CLIENT_NOT_ACTIVE:
            raise Rejected(outcome.code, host=self.host.name, client=client.id)

    def _denounce(self, false: ClientHeader, past: Past, meters: Meters, tell: Tell) -> Task[None]:
        """Hand a false header to the chain whose validators signed it; what it makes of it is its own affair."""
        signed = yield from signed_header(self.subject, past.common)
        common = LightBlock(signed, (yield from validator_set(self.subject, past.common)))
        trusted = LightBlock(past.header.signed_header, past.header.validator_set)
        evidence = make_light_client_attack(LightBlock(false.signed_header, false.validator_set), trusted, common)
        body = codec.encode({"evidence": encode_evidence(evidence)})
        reply = yield from ask(Request(self.subject.name, "/v1/evidence", body))
        taken = reply.status in (200, 202)
        if taken:
            meters.count("light_client_attacks_submitted_total", chain=self.subject.name)
        tell("warning", "attack-denounced", chain=self.subject.name, code="" if taken else problem(reply).code)


def headers_in(raw: bytes, client: str) -> list[ClientHeader]:
    """Return all headers that a transaction shows a client, those of accusations too.

    Raises:
        Rejected: a `codec/…` or `wire/…` code.
    """
    found: list[ClientHeader] = []
    for spelled in codec.decode(raw, Tx).msgs:
        shown = _shown(spelled, client)
        if shown is None:
            continue
        url, value = any_decode(shown)
        if url == HEADER_URL:
            found.append(decode(ClientHeader, value))
        elif url == MISBEHAVIOUR_URL:
            accusation = decode(ClientMisbehaviour, value)
            found += [accusation.header_1, accusation.header_2]
    return found


def _shown(spelled: Mapping[str, object], client: str) -> bytes | None:
    if spelled.get("@type") != UPDATE:
        return None
    update = codec.convert(dict(spelled), UpdateClient)
    return update.client_message if update.client_id == client else None


def notice_client(chain: Chain, paths: list[Path], event: EventAnswer) -> None:
    """See that a client has come further than we knew, has frozen or has been recovered."""
    said = event.attributes
    for path in paths:
        client = path.clients.get(chain.name)
        if client is None or client.id not in (said.get("client_id"), said.get("subject_client_id")):
            continue
        height = said.get("consensus_height", "").rpartition("-")[2]
        if event.type != LEARNT or client.ailment or (height.isdigit() and int(height) > client.latest):
            client.stale = True
