"""Canonical JSON: one value, one spelling, and every other one is refused with a code."""

from typing import Any

import msgspec
import pytest

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected


class Open(msgspec.Struct, frozen=True):
    denom: str


class Coin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    denom: str
    amount: int


class Everything(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    zeta: str
    number: int
    flag: bool
    raw: bytes
    coins: tuple[Coin, ...]
    table: dict[str, int]
    maybe: int | None = None


ALL = Everything("z", -5, True, b"\x00\xff", (Coin("uosmo", 7),), {"b": 2, "a": 1})
SPELLED = (
    b'{"coins":[{"amount":"7","denom":"uosmo"}],"flag":true,"maybe":null,"number":"-5","raw":"AP8=",'
    b'"table":{"a":"1","b":"2"},"zeta":"z"}'
)


def refusal(raw: bytes, kind: type[Any]) -> str:
    with pytest.raises(Rejected) as refused:
        codec.decode(raw, kind)
    return refused.value.code


def test_keys_are_sorted_numbers_are_text_and_every_field_is_present() -> None:
    assert codec.encode(ALL) == SPELLED
    assert codec.decode(SPELLED, Everything) == ALL
    assert codec.load(SPELLED, Everything) == ALL


def test_plain_json_is_what_canonical_json_holds() -> None:
    assert codec.plain(Coin("uosmo", 7)) == {"denom": "uosmo", "amount": "7"}


def test_integers_of_any_size_are_exact() -> None:
    for amount in (0, -1, 2**53 + 1, 2**64, 10**40):
        assert codec.decode(codec.encode(Coin("u", amount)), Coin) == Coin("u", amount)


@pytest.mark.parametrize(
    ("spelled", "code"),
    [
        (b'{"amount":"7","denom":"u"}', None),
        (b'{"amount":7,"denom":"u"}', "tx/not-canonical"),
        (b'{"amount":"7","amount":"7","denom":"u"}', "tx/not-canonical"),
        (b'{"amount":"8","amount":"7","denom":"u"}', "tx/not-canonical"),
        (b'{"denom":"u","amount":"7"}', "tx/not-canonical"),
        (b'{"amount": "7","denom":"u"}', "tx/not-canonical"),
        (b' {"amount":"7","denom":"u"}', "tx/not-canonical"),
        (b'{"amount":"7","denom":"u"}\n', "tx/not-canonical"),
        (b'{"amount":"07","denom":"u"}', "codec/malformed"),
        (b'{"amount":"+7","denom":"u"}', "codec/malformed"),
        (b'{"amount":" 7","denom":"u"}', "codec/malformed"),
        (b'{"amount":"-0","denom":"u"}', "tx/not-canonical"),
        (b'{"amount":"7.0","denom":"u"}', "tx/not-canonical"),
        (b'{"amount":7.0,"denom":"u"}', "tx/not-canonical"),
        (b'{"amount":7e0,"denom":"u"}', "tx/not-canonical"),
        (b'{"amount":7.5,"denom":"u"}', "codec/malformed"),
        (b'{"amount":"7_0","denom":"u"}', "codec/malformed"),
        (b'{"amount":true,"denom":"u"}', "codec/malformed"),
        (b'{"amount":null,"denom":"u"}', "codec/malformed"),
        (b'{"amount":"","denom":"u"}', "codec/malformed"),
        (b'{"amount":"7"}', "codec/malformed"),
        (b'{"amount":"7","denom":"u","extra":"1"}', "codec/malformed"),
        (b'{"amount":"7","denom":"\\u0075"}', "tx/not-canonical"),
        (b'{"amount":"7","denom":"\\/"}', "tx/not-canonical"),
        (b'{"amount":"7","denom":"\\ud800"}', "codec/malformed"),
        (b'{"amount":"7","denom":"\xff"}', "codec/malformed"),
        (b'{"amount":"7","denom":"u"', "codec/malformed"),
        (b'{"amount":"7","denom":"u"}{}', "codec/malformed"),
        (b'["7","u"]', "codec/malformed"),
        (b"null", "codec/malformed"),
        (b"", "codec/malformed"),
        (b'\xef\xbb\xbf{"amount":"7","denom":"u"}', "codec/malformed"),
    ],
)
def test_every_other_spelling_is_refused(spelled: bytes, code: str | None) -> None:
    if code is None:
        assert codec.decode(spelled, Coin) == Coin("u", 7)
    else:
        assert refusal(spelled, Coin) == code


@pytest.mark.parametrize("denom", ["é", "\u2028", "\x7f", '"', "\\", "\n", "\x00", "😀", "</script>"])
def test_text_has_one_spelling_too(denom: str) -> None:
    assert codec.decode(codec.encode(Coin(denom, 1)), Coin) == Coin(denom, 1)


def test_base64_without_padding_or_with_stray_bits_is_refused() -> None:
    assert refusal(SPELLED.replace(b"AP8=", b"AP8"), Everything) in {"codec/malformed", "tx/not-canonical"}
    assert refusal(SPELLED.replace(b"AP8=", b"AP9="), Everything) == "tx/not-canonical"


def test_an_absent_default_is_not_canonical() -> None:
    assert refusal(SPELLED.replace(b'"maybe":null,', b""), Everything) == "tx/not-canonical"


class Anything(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inner: Any


@pytest.mark.parametrize("levels", [65, 300, 490, 700, 980, 100_000])
def test_nesting_beyond_64_levels_is_refused_however_much_stack_there_is(levels: int) -> None:
    assert refusal(b'{"inner":' + b"[" * levels + b"]" * levels + b"}", Anything) == "codec/malformed"


def test_nesting_of_64_levels_is_read() -> None:
    raw = b'{"inner":' + b"[" * 64 + b"]" * 64 + b"}"
    assert codec.encode(codec.decode(raw, Anything)) == raw


@pytest.mark.parametrize("spelled", [b"1.5", b"[1e400]", b'{"a":-0.0}'])
def test_a_float_where_anything_may_stand_is_refused(spelled: bytes) -> None:
    assert refusal(b'{"inner":' + spelled + b"}", Anything) == "codec/malformed"


def test_numbers_too_long_to_be_amounts_are_refused_and_not_a_crash() -> None:
    assert refusal(b'{"amount":"' + b"9" * 100_000 + b'","denom":"u"}', Coin) == "codec/malformed"
    assert refusal(b'{"amount":' + b"9" * 100_000 + b',"denom":"u"}', Coin) == "codec/malformed"


def test_floats_have_no_canonical_form() -> None:
    with pytest.raises(Rejected) as refused:
        codec.encode({"amount": 1.5})
    assert refused.value.code == "codec/malformed"


def test_any_spelling_converts_but_not_any_shape() -> None:
    assert codec.convert({"amount": 7, "denom": "u"}, Coin) == Coin("u", 7)
    assert codec.convert({"denom": "u", "amount": "7"}, Coin) == Coin("u", 7)
    for wrong in ({"amount": 7.5, "denom": "u"}, {"amount": 7}, {"amount": "x", "denom": "u"}, [], None):
        with pytest.raises(Rejected) as refused:
            codec.convert(wrong, Coin)
        assert refused.value.code == "codec/malformed"


@pytest.mark.parametrize("value", [2**512 + 1, -(2**512) - 1])
def test_an_integer_beyond_any_amount_has_no_canonical_form(value: int) -> None:
    with pytest.raises(Rejected) as refused:
        codec.encode({"amount": value})
    assert refused.value.code == "codec/malformed"
    assert codec.decode(codec.encode(2**512), int) == 2**512


NESTED = {
    "as deep as can be": (b"[" * 63 + b"]" * 63, True),
    "too deep": (b"[" * 64 + b"]" * 64, False),
    "too deep in objects": (b'{"a":' * 64 + b"1" + b"}" * 64, False),
    "many side by side": (b"[" + b"[]," * 500 + b"[]]", True),
    "brackets in a text": (b'"' + b"[{" * 500 + b'"', True),
    "brackets behind an escaped quote": (rb'"\"' + b"[" * 500 + b'"', True),
    "brackets behind an escaped backslash": (rb'["\\",' + b"[" * 64 + b"]" * 64 + b"]", False),
    "closing brackets in a text do not count": (b'["' + b"]" * 100 + b'",' + b"[" * 64 + b"]" * 64 + b"]", False),
}


@pytest.mark.parametrize(("unknown", "passes"), NESTED.values(), ids=NESTED.keys())
def test_what_a_stranger_adds_passes_if_it_is_not_nested_too_deep(unknown: bytes, passes: bool) -> None:
    """A verdict may not depend on how much of the stack is in use."""

    def read(used: int) -> str:
        if used:
            return read(used - 1)
        try:
            return codec.read(b'{"denom":"u","more":' + unknown + b"}", Open).denom
        except Rejected as refused:
            return refused.code

    expected = "u" if passes else "codec/malformed"
    assert (read(0), read(400)) == (expected, expected)


def test_a_long_fact_is_cut_in_what_is_said_of_a_refusal() -> None:
    refused = Rejected("a/b", text="x" * 1_000_000, number=7)
    assert {name: len(text) for name, text in refused.texts.items()} == {"text": 2_000, "number": 1}


def test_a_refusal_reads_as_its_code_and_facts() -> None:
    refused = Rejected("bank/insufficient-funds", have=1, denom="u")
    assert str(refused) == "bank/insufficient-funds (have=1, denom=u)"
    assert str(Rejected("a/b")) == "a/b"
