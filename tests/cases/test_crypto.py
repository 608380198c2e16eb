"""Hashes, signatures and addresses."""

import pytest

from meshsec_core.kernel.crypto import (
    MemoVerifier,
    PrivateKey,
    account,
    address_of,
    bech32_decode,
    module_account,
    operator,
    sha256,
    verify,
)
from meshsec_core.kernel.errors import Rejected
from support import load_vectors

SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
SIGNATURE_OF_NOTHING = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
    "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)


def test_every_verdict_equals_wycheproofs() -> None:
    groups = load_vectors("ed25519", "testvectors_v1_ed25519_test.json")["testGroups"]
    wrong = [
        case["tcId"]
        for group in groups
        for case in group["tests"]
        if verify(bytes.fromhex(group["publicKey"]["pk"]), bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
        != (case["result"] == "valid")
    ]
    assert wrong == []
    assert sum(len(group["tests"]) for group in groups) == 151


def test_the_first_vector_of_rfc_8032_is_signed_alike() -> None:
    key = PrivateKey(SEED)
    assert key.public_key == KEY
    assert key.sign(b"") == SIGNATURE_OF_NOTHING
    assert verify(KEY, b"", SIGNATURE_OF_NOTHING)


@pytest.mark.parametrize(
    ("key", "message", "signature"),
    [
        (KEY, b"x", SIGNATURE_OF_NOTHING),
        (KEY[:31], b"", SIGNATURE_OF_NOTHING),
        (KEY + b"\x00", b"", SIGNATURE_OF_NOTHING),
        (b"", b"", SIGNATURE_OF_NOTHING),
        (KEY, b"", SIGNATURE_OF_NOTHING[:63]),
        (KEY, b"", SIGNATURE_OF_NOTHING + b"\x00"),
        (KEY, b"", b""),
        (bytes(32), b"", bytes(64)),
    ],
)
def test_malformed_keys_and_signatures_are_not_valid(key: bytes, message: bytes, signature: bytes) -> None:
    assert not verify(key, message, signature)


def test_a_signature_cannot_carry_the_start_of_the_message() -> None:
    key = PrivateKey(SEED)
    assert not verify(key.public_key, b"tail", key.sign(b"head and tail") + b"head and ")


def test_a_key_of_small_order_verifies_nothing() -> None:
    identity = b"\x01" + bytes(31)
    assert not verify(identity, b"anything", identity + bytes(32))


def test_a_verdict_is_computed_once_per_key_message_and_signature() -> None:
    asked: list[tuple[bytes, bytes, bytes]] = []

    def check(public_key: bytes, message: bytes, signature: bytes) -> bool:
        asked.append((public_key, message, signature))
        return message == b"good"

    memo = MemoVerifier(check=check)
    for _ in range(3):
        assert memo(b"k", b"good", b"s")
        assert not memo(b"k", b"bad", b"s")
        assert memo(b"other", b"good", b"s")
        assert memo(b"k", b"good", b"other")
    assert len(asked) == 4


def test_the_same_bytes_divided_otherwise_are_another_question() -> None:
    memo = MemoVerifier()
    key = PrivateKey(SEED)
    signature = key.sign(b"message")
    assert memo(key.public_key, b"message", signature)
    assert not memo(key.public_key + signature[:1], b"message", signature[1:])
    assert not memo(key.public_key, signature[63:] + b"message", signature[:63])


def test_a_full_memo_forgets_its_oldest_half() -> None:
    asked: list[bytes] = []

    def check(public_key: bytes, message: bytes, signature: bytes) -> bool:
        asked.append(message)
        return True

    memo = MemoVerifier(capacity=4, check=check)
    for message in (b"1", b"2", b"3", b"4", b"5"):
        memo(b"", message, b"")
    memo(b"", b"3", b"")
    memo(b"", b"4", b"")
    assert asked == [b"1", b"2", b"3", b"4", b"5"]
    memo(b"", b"1", b"")
    assert asked[-1] == b"1"


def test_an_address_is_the_first_20_bytes_of_the_keys_hash() -> None:
    assert address_of(KEY) == sha256(KEY)[:20]


def test_bech32_equals_bip_173_and_reads_back() -> None:
    raw = bytes.fromhex("751e76e8199196d454941c45d1b3a323f1433bd6")
    assert account("osmo", raw).startswith("osmo1")
    assert bech32_decode("osmo", account("osmo", raw)) == raw
    assert bech32_decode("osmovaloper", operator("osmo", raw)) == raw


def test_a_module_account_depends_on_the_name_alone() -> None:
    assert bech32_decode("osmo", module_account("osmo", "mint")) == bech32_decode("juno", module_account("juno", "mint"))
    assert module_account("osmo", "mint") != module_account("osmo", "burn")


GOOD = account("osmo", bytes(range(20)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "osmo1",
        GOOD.upper(),
        GOOD[:-1],
        GOOD[:-1] + ("q" if GOOD[-1] != "q" else "p"),
        GOOD + "q",
        account("juno", bytes(20)),
        operator("osmo", bytes(20)),
        account("osmo", bytes(32)),
        account("osmo", bytes(19)),
        "osmo" + GOOD[5:],
        GOOD + "\n",
        " " + GOOD,
        "é" + GOOD,
    ],
)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        bech32_decode("osmo", text)
    assert refused.value.code == "crypto/bad-address"
