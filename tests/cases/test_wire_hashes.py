"""Hashes and sign-bytes against values that CometBFT's own tests publish."""

import pytest

from comet import read_header
from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.hashes import (
    EMPTY_HASH,
    commit_hash,
    consensus_hash,
    data_hash,
    evidence_hash,
    header_hash,
    merkle_root,
    part_set,
    proposal_sign_bytes,
    results_hash,
    validators_hash,
    vote_sign_bytes,
)
from meshsec_core.kernel.wire.scalars import ZERO_TIME
from meshsec_core.kernel.wire.tendermint import (
    PRECOMMIT,
    PREVOTE,
    BlockId,
    Commit,
    Header,
    PartSetHeader,
    Proposal,
    Validator,
)
from support import load_vectors

BLOCK = BlockId(bytes(range(32)), PartSetHeader(3, bytes(range(32, 64))))


def test_merkle_roots_equal_those_published_for_rfc_6962() -> None:
    assert EMPTY_HASH.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle_root([]) == EMPTY_HASH
    assert merkle_root([b""]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle_root([b"L123456"]).hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert sha256(b"\x01N123N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


@pytest.mark.parametrize("size", range(1, 20))
def test_a_tree_is_split_at_the_largest_power_of_two_below_its_size(size: int) -> None:
    def by_definition(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return sha256(b"\x00" + leaves[0])
        split = 1 << (len(leaves) - 1).bit_length() - 1
        return sha256(b"\x01" + by_definition(leaves[:split]) + by_definition(leaves[split:]))

    leaves = [bytes([number]) * number for number in range(size)]
    assert merkle_root(leaves) == by_definition(leaves)


def test_the_header_of_cometbfts_own_test_has_its_published_hash() -> None:
    header = Header(
        version_block=1,
        version_app=2,
        chain_id="chainId",
        height=3,
        time=1_570_983_284 * 10**9,  # 2019-10-13T16:14:44Z
        last_block_id=BlockId(bytes(32), PartSetHeader(6, bytes(32))),
        last_commit_hash=sha256(b"last_commit_hash"),
        data_hash=sha256(b"data_hash"),
        validators_hash=sha256(b"validators_hash"),
        next_validators_hash=sha256(b"next_validators_hash"),
        consensus_hash=sha256(b"consensus_hash"),
        app_hash=sha256(b"app_hash"),
        last_results_hash=sha256(b"last_results_hash"),
        evidence_hash=sha256(b"evidence_hash"),
        proposer_address=sha256(b"proposer_address")[:20],
    )
    assert header_hash(header).hex().upper() == "F740121F553B5418C3EFBD343C2DBFE9E007BB67B0D020A0741374BAB65242A4"


def test_a_recorded_header_has_its_known_hash() -> None:
    header = read_header(load_vectors("header", "header_with_known_hash.json"))
    assert header_hash(header).hex().upper() == "F30A71F2409FB15AACAEDB6CC122DFA2525BEE9CAE521721B06BFDCA291B8D56"


def test_a_header_without_validators_has_no_hash() -> None:
    empty = Header(11, 0, "", 0, ZERO_TIME, BlockId(), b"", b"", b"", b"", b"", b"", b"", b"", b"")
    assert header_hash(empty) == b""


@pytest.mark.parametrize(
    ("chain_id", "kind", "height", "round", "expected"),
    [
        ("", 0, 0, 0, "0d2a0b088092b8c398feffffff01"),
        ("", PRECOMMIT, 1, 1, "2108021101000000000000001901000000000000002a0b088092b8c398feffffff01"),
        ("", PREVOTE, 1, 1, "2108011101000000000000001901000000000000002a0b088092b8c398feffffff01"),
        ("", 0, 1, 1, "1f1101000000000000001901000000000000002a0b088092b8c398feffffff01"),
        (
            "test_chain_id",
            0,
            1,
            1,
            "2e1101000000000000001901000000000000002a0b088092b8c398feffffff01320d746573745f636861696e5f6964",
        ),
    ],
)
def test_canonical_votes_equal_the_published_bytes(chain_id: str, kind: int, height: int, round: int, expected: str) -> None:  # noqa: A002
    assert vote_sign_bytes(chain_id, kind, height, round, None, ZERO_TIME).hex() == expected


def test_a_vote_for_the_zero_block_id_is_a_vote_for_no_block() -> None:
    assert vote_sign_bytes("a", PREVOTE, 5, 0, BlockId(), 0) == vote_sign_bytes("a", PREVOTE, 5, 0, None, 0)


def test_sign_bytes_differ_in_every_argument() -> None:
    base = ("osmosis-1", PRECOMMIT, 7, 1, BLOCK, 1_000)
    others = ("osmosis-2", PREVOTE, 8, 2, BlockId(BLOCK.hash, PartSetHeader(2, BLOCK.parts.hash)), 1_001)
    spelled = [vote_sign_bytes(*base)]
    for place, other in enumerate(others):
        spelled.append(vote_sign_bytes(*base[:place], other, *base[place + 1 :]))  # type: ignore[arg-type]
    assert len(set(spelled)) == 7


def test_the_longest_vote_carries_a_length_of_two_bytes() -> None:
    block = BlockId(bytes(32), PartSetHeader(2**32 - 1, bytes(32)))
    spelled = vote_sign_bytes("c" * 50, PRECOMMIT, 2**62, 2**30, block, 1_999_999_999_999_999_999)
    assert len(spelled) == 166
    assert spelled[:2] == bytes([164 & 127 | 128, 1])


def test_a_height_beyond_64_bits_has_no_sign_bytes() -> None:
    with pytest.raises(Rejected) as refused:
        vote_sign_bytes("a", PREVOTE, 2**63, 0, None, 0)
    assert refused.value.code == "wire/out-of-range"


def test_a_proposal_spells_its_absent_proof_round_as_minus_one_in_ten_bytes() -> None:
    proposal = Proposal(height=1, round=0, pol_round=-1, block_id=BlockId(), time=ZERO_TIME)
    assert proposal_sign_bytes("c", proposal).hex() == (
        "26" + "0820" + "110100000000000000" + "20ffffffffffffffffff01" + "320b088092b8c398feffffff01" + "3a0163"
    )


def test_a_proposal_spells_round_proof_round_and_block() -> None:
    proposal = Proposal(height=2, round=3, pol_round=1, block_id=BLOCK, time=1_500_000_000)
    assert proposal_sign_bytes("c", proposal).hex() == (
        "6d"
        + "0820"
        + "110200000000000000"
        + "190300000000000000"
        + "2001"
        + "2a48"
        + "0a20"
        + bytes(range(32)).hex()
        + "12240803"
        + "1220"
        + bytes(range(32, 64)).hex()
        + "3208080110"
        + "80cab5ee01"
        + "3a0163"
    )


def test_the_default_consensus_parameters_have_their_published_hash() -> None:
    assert consensus_hash(22_020_096, -1).hex().upper() == "048091BC7DDC283F77BFBF91D73C44DA58C3DF8A9CBC867405D8B7F3DAADA22F"
    assert consensus_hash(22_020_096, -1) == sha256(bytes.fromhex("088080c00a10ffffffffffffffffff01"))


def test_validators_are_hashed_by_key_and_power_alone() -> None:
    one = Validator(b"a" * 20, bytes(32), 10, 5)
    assert validators_hash([one]) == merkle_root([bytes.fromhex("0a220a20" + "00" * 32 + "100a")])
    assert validators_hash([Validator(b"", bytes(32), 10, -9)]) == validators_hash([one])


def test_a_key_of_another_length_has_no_place_in_a_validator_set() -> None:
    with pytest.raises(Rejected) as refused:
        validators_hash([Validator(b"", bytes(33), 10)])
    assert refused.value.code == "wire/bad-key"


def test_transactions_are_leaves_by_their_hashes() -> None:
    assert data_hash([b"one", b"two"]) == merkle_root([sha256(b"one"), sha256(b"two")])


def test_results_are_hashed_without_logs_and_events() -> None:
    assert results_hash([]) == EMPTY_HASH
    assert results_hash([(0, b"", 0, 0)]) == merkle_root([b""])
    assert results_hash([(7, b"d", 100, 90)]) == merkle_root([bytes.fromhex("0807" + "120164" + "2864" + "305a")])


def test_nothing_hashes_to_the_empty_tree() -> None:
    assert commit_hash(Commit()) == EMPTY_HASH
    assert evidence_hash([]) == EMPTY_HASH
    assert data_hash([]) == EMPTY_HASH


def test_a_block_is_cut_into_parts_of_64_kibibytes() -> None:
    header, parts = part_set(bytes(65_536) + b"x")
    assert parts == (bytes(65_536), b"x")
    assert header == PartSetHeader(2, merkle_root(parts))
    assert part_set(bytes(65_536))[0].total == 1
