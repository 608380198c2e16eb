"""YAML whose every value knows its file and line, so that a mistake is answered with its place and a suggestion.

Scalars are read as they are spelled: `0.10` stays text until a reader asks for a number, so no value passes through a float.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_BPS, ONE_E18, SECOND
from meshsec_sdk.quantities import duration

MALFORMED = "yaml/malformed"
UNREADABLE = "yaml/unreadable"
UNKNOWN_KEY = "yaml/unknown-key"
DUPLICATE_KEY = "yaml/duplicate-key"
MISSING_KEY = "yaml/missing-key"
BAD_VALUE = "yaml/bad-value"

MAX_BYTES = 1_048_576
MAX_DEPTH = 64
"""Levels of nesting; reading takes the square of them."""

_INTEGER = re.compile(r"-?[0-9][0-9_]*")
_DECIMAL = re.compile(r"([0-9]+)(?:\.([0-9]{1,18}))?")


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the known word that is spelled most alike, or an empty text."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)), "")


class Mistakes(Rejected):
    """Several mistakes in one file: refused as the first of them is."""

    def __init__(self, found: Sequence[Rejected]) -> None:
        super().__init__(found[0].code, **found[0].facts)
        self.found = tuple(found)


class Located:
    """A YAML value and where it stands."""

    __slots__ = ("_node", "file")

    def __init__(self, node: yaml.Node, file: str) -> None:
        self._node = node
        self.file = file

    @property
    def line(self) -> int:
        """Line in the file, from 1."""
        return int(self._node.start_mark.line) + 1

    @property
    def column(self) -> int:
        """Place in the line, from 1."""
        return int(self._node.start_mark.column) + 1

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self._node, yaml.SequenceNode)

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self._node, yaml.MappingNode)

    def refused(self, code: str, **facts: str | int) -> Rejected:
        """Return the refusal of this value, with its place."""
        return Rejected(code, file=self.file, line=self.line, column=self.column, **facts)

    def _bad(self, expected: str) -> Rejected:
        kind = "a list" if self.is_list else "a mapping"
        found = self._node.value if isinstance(self._node, yaml.ScalarNode) else kind
        return self.refused(BAD_VALUE, found=str(found)[:100], expected=expected)

    def entries(self) -> dict[str, "Located"]:
        """Return the values of a mapping with free keys; nothing is an empty mapping.

        Raises:
            Rejected: `yaml/bad-value` if it is not a mapping; `yaml/duplicate-key`.
        """
        if isinstance(self._node, yaml.ScalarNode) and self._node.value in ("", "null", "~"):
            return {}
        if not isinstance(self._node, yaml.MappingNode):
            raise self._bad("a mapping")
        found: dict[str, Located] = {}
        for key, value in self._node.value:
            name = Located(key, self.file)
            if name.text() in found:
                raise name.refused(DUPLICATE_KEY, key=name.text()[:100])
            found[name.text()] = Located(value, self.file)
        return found

    def fields(self, known: Iterable[str], required: Iterable[str] = ()) -> dict[str, "Located"]:
        """Return the values of a mapping whose keys are known.

        Raises:
            Rejected: `yaml/unknown-key` with a suggestion, `yaml/missing-key`, and what `entries` refuses.
        """
        words = list(known)
        found = self.entries()
        for key in found:
            if key not in words:
                place = next(Located(node, self.file) for node, _ in self._node.value if node.value == key)
                meant = suggestion(key, words)
                raise place.refused(UNKNOWN_KEY, key=key[:100], suggestion=meant, known=", ".join(words))
        for key in required:
            if key not in found:
                raise self.refused(MISSING_KEY, key=key)
        return found

    def items(self) -> list["Located"]:
        """Return the values of a list.

        Raises:
            Rejected: `yaml/bad-value`.
        """
        if not isinstance(self._node, yaml.SequenceNode):
            raise self._bad("a list")
        return [Located(node, self.file) for node in self._node.value]

    def text(self) -> str:
        """Return a scalar as it is spelled.

        Raises:
            Rejected: `yaml/bad-value`.
        """
        if not isinstance(self._node, yaml.ScalarNode):
            raise self._bad("a text")
        return str(self._node.value)

    def choice(self, known: Iterable[str]) -> str:
        """Return a text that is one of the known ones.

        Raises:
            Rejected: `yaml/bad-value` with a suggestion.
        """
        words = list(known)
        if self.text() not in words:
            meant = suggestion(self.text(), words)
            raise self.refused(BAD_VALUE, found=self.text()[:100], expected=", ".join(words), suggestion=meant)
        return self.text()

    def integer(self, minimum: int = 0, maximum: int = 2**63 - 1) -> int:
        """Return a whole number within bounds; underscores may separate digits.

        Raises:
            Rejected: `yaml/bad-value`.
        """
        spelled = self.text()
        if _INTEGER.fullmatch(spelled) is None or len(spelled) > 40 or not minimum <= int(spelled) <= maximum:
            raise self._bad(f"a whole number from {minimum} to {maximum}")
        return int(spelled)

    def amount(self, denom: str) -> int:
        """Return base units of a coin; the denomination may stand behind the number.

        Raises:
            Rejected: `yaml/bad-value`, also if another denomination stands there.
        """
        digits = self.text().removesuffix(denom)
        if _INTEGER.fullmatch(digits) is None or len(digits) > 40 or not 0 <= int(digits) < 2**63:
            raise self._bad(f"an amount such as 1000{denom}")
        return int(digits)

    def seconds(self) -> int:
        """Return a duration such as `1h` in whole seconds, of which there is at least one.

        Raises:
            Rejected: `yaml/bad-value`.
        """
        nanoseconds = duration(self.text()) or 0
        if nanoseconds < SECOND or nanoseconds % SECOND or nanoseconds >= 2**32 * SECOND:
            raise self._bad("a duration of whole seconds, such as 1h")
        return nanoseconds // SECOND

    def ratio_e18(self) -> int:
        """Return a decimal such as `0.5`, times 10^18, exactly.

        Raises:
            Rejected: `yaml/bad-value`.
        """
        found = _DECIMAL.fullmatch(self.text())
        if found is None or len(found[1]) > 18:
            raise self._bad("a decimal such as 0.5")
        return int(found[1]) * ONE_E18 + int((found[2] or "").ljust(18, "0"))

    def ratio_bps(self) -> int:
        """Return a share such as `0.1` or `10%` in basis points, exactly; at most the whole.

        Raises:
            Rejected: `yaml/bad-value`.
        """
        percent = self.text().endswith("%")
        found = _DECIMAL.fullmatch(self.text().removesuffix("%"))
        scaled = int(found[1] + (found[2] or "").ljust(18, "0")) if found and len(found[1]) <= 3 else -1
        bps, rest = divmod(scaled, ONE_E18 // ONE_BPS * (100 if percent else 1))
        if rest or not 0 <= bps <= ONE_BPS:
            raise self._bad("a share from 0 to 1, such as 0.1 or 10%, in steps of 0.01%")
        return bps

    def plain(self) -> Any:
        """Return the value as JSON would hold it: whole numbers as `int`, durations such as `21d` as nanoseconds.

        Raises:
            Rejected: `yaml/duplicate-key`.
        """
        if isinstance(self._node, yaml.MappingNode):
            return {key: value.plain() for key, value in self.entries().items()}
        if isinstance(self._node, yaml.SequenceNode):
            return [value.plain() for value in self.items()]
        spelled = self.text()
        if isinstance(self._node, yaml.ScalarNode) and self._node.style in ("'", '"'):
            return spelled
        constants: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "": None, "~": None}
        if spelled in constants:
            return constants[spelled]
        if _INTEGER.fullmatch(spelled) and len(spelled) <= 40:
            return int(spelled)
        return spelled if (nanoseconds := duration(spelled)) is None else nanoseconds


def parse(text: str, file: str) -> Located:
    """Parse one YAML document; `file` is named in refusals.

    Raises:
        Rejected: `yaml/malformed` with its line.
    """
    if len(text) > MAX_BYTES:
        raise Rejected(MALFORMED, file=file, line=1, reason=f"more than {MAX_BYTES} bytes")
    try:
        _look_through(text, file)
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = str(getattr(error, "problem", None) or error)[:200]
        raise Rejected(MALFORMED, file=file, line=mark.line + 1 if mark else 1, reason=reason) from None
    if node is None:
        raise Rejected(MALFORMED, file=file, line=1, reason="the file is empty")
    return Located(node, file)


def _look_through(text: str, file: str) -> None:
    """Refuse what would be costly or surprising to build: deep nesting, and anchors."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or isinstance(event, yaml.AliasEvent):
            reason = "nested too deeply" if depth > MAX_DEPTH else "anchors and aliases are not used here"
            line = event.start_mark.line + 1 if event.start_mark is not None else 0
            raise Rejected(MALFORMED, file=file, line=line, reason=reason)


def read(path: Path) -> Located:
    """Read and parse a file.

    Raises:
        Rejected: `yaml/unreadable`, `yaml/malformed`.
    """
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise Rejected(UNREADABLE, file=str(path), reason=getattr(error, "strerror", None) or "not UTF-8 text") from None
