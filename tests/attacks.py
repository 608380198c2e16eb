"""Attacks on light clients of one chain, made by hand.

Validators hold 40, 30, 20 and 10 of 100. The chain has heights 5 and 6, both signed by all; the attacks are signed by all but the
last.
"""

from collections.abc import Iterable

import msgspec

from meshsec_core.consensus.attack import make_light_client_attack
from meshsec_core.consensus.light import Untrusted
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.tendermint import CommitSig, LightBlock
from meshsec_core.kernel.wire.tendermint import LightClientAttackEvidence as Evidence
from signing import START, key_set, light_block, signed_vote

SET = key_set(40, 30, 20, 10)
ALL = (0, 1, 2, 3)


def told(found: Untrusted) -> LightBlock:
    return LightBlock(found.signed_header, found.validators.to_wire())


def block(height: int, signers: Iterable[int] = ALL, validators: ValidatorSet = SET, **changes: object) -> LightBlock:
    return told(light_block(height, validators, signers, SET, **changes))


def in_round(found: LightBlock, number: int) -> LightBlock:
    """Let the signers of a light block sign it in another round."""
    header, commit = found.signed_header.header, found.signed_header.commit
    validators = ValidatorSet.from_wire(found.validators)
    signatures = []
    for index, signature in enumerate(commit.signatures):
        vote = signed_vote(
            validators, index, commit.block_id, header.chain_id, height=header.height, round=number, time=header.time + index
        )
        signatures.append(CommitSig(signature.flag, vote.address, vote.time, vote.signature) if signature.address else signature)
    commit = msgspec.structs.replace(commit, round=number, signatures=tuple(signatures))
    return msgspec.structs.replace(found, signed_header=msgspec.structs.replace(found.signed_header, commit=commit))


COMMON, TRUSTED = block(5), block(6)
LUNATIC = block(6, (0, 1, 2), app_hash=b"x" * 32)
EQUIVOCATION = block(6, (0, 1, 2), data_hash=b"x" * 32)
AMNESIA = in_round(EQUIVOCATION, 1)
AHEAD = block(9, (0, 1, 2), app_hash=b"x" * 32, time=START + 6 * SECOND)


def evidence_of(conflicting: LightBlock, trusted: LightBlock = TRUSTED) -> Evidence:
    return make_light_client_attack(conflicting, trusted, COMMON)
