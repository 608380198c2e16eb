"""What a route is, and what its view is given.

A view is a pure function of a node and a request. The HTTP server and the simulation's transport call the same views, by the same
table.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from meshsec_core.app import Forgery
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.tendermint import Evidence
from meshsec_core.replica.replica import Replica
from meshsec_node.aliases import Aliases
from meshsec_sdk.problems import BAD_PARAMETER, check_query

NOT_DEVELOPMENT = "dev/forbidden"

_DIGITS = re.compile(r"[0-9]{1,19}")


class Node(Protocol):
    """Who runs a replica: the process's runner, or a simulated chain."""

    @property
    def replica(self) -> Replica:
        """The chain."""

    @property
    def aliases(self) -> Aliases:
        """What development names mean here."""

    @property
    def development(self) -> bool:
        """Whether the node signs with development keys and takes orders."""

    @property
    def block_mode(self) -> str:
        """When blocks are made: interval, auto or manual."""

    def submit(self, raw: bytes) -> bytes:
        """Let a transaction wait for a block; return its hash.

        Raises:
            Rejected: why not.
        """

    def accuse(self, evidence: Evidence) -> None:
        """Let evidence wait for a block.

        Raises:
            Rejected: why it proves nothing here.
        """

    def reasons(self) -> list[str]:
        """Return why the chain is not ready; empty if it is."""

    def fault(self, kind: str, validator: str | None, parameters: Mapping[str, Any]) -> None:
        """Make a validator misbehave; see `Replica.fault`."""

    def partition(self, groups: Sequence[Sequence[str]]) -> None:
        """Let messages pass only inside groups of validators; see `Replica.partition`."""

    def heal(self, validator: str | None = None) -> None:
        """End the faults of one validator; or all faults, the partition and all branches."""

    @property
    def base(self) -> int | None:
        """The last height that a branch has in common with its chain; None for a chain."""

    @property
    def branches(self) -> Mapping[str, "Node"]:
        """Other futures of this chain, by name."""

    def fork(self, name: str, validators: Collection[str], *, late: bool) -> None:
        """Begin a branch; see `meshsec_core.replica.branch`."""

    def end_fork(self, name: str) -> None:
        """Forget a branch."""

    def forge(self, forgery: Forgery) -> None:
        """Let the next block of a branch begin with a forged state."""


class Request(msgspec.Struct, frozen=True):
    """What a view is asked."""

    parts: dict[str, str] = {}
    """Parameters in the path."""
    query: dict[str, str] = {}
    body: bytes = b""

    def number(self, name: str, default: int) -> int:
        """Return a whole number from the path or the query.

        Raises:
            Rejected: `http/bad-parameter`.
        """
        text = self.parts.get(name) or self.query.get(name)
        if text is None:
            return default
        if _DIGITS.fullmatch(text) is None or int(text) >= 2**63:
            raise Rejected(BAD_PARAMETER, name=name, found=text[:100], expected="a whole number")
        return int(text)

    def flag(self, name: str) -> bool:
        """Return a switch from the query; absent is off, present without a value is on.

        Raises:
            Rejected: `http/bad-parameter`.
        """
        text = self.query.get(name, "false")
        if text not in ("", "true", "false", "1", "0"):
            raise Rejected(BAD_PARAMETER, name=name, found=text[:100], expected="true or false")
        return text in ("", "true", "1")


class Reply(msgspec.Struct, frozen=True):
    """What a view answers."""

    body: Any
    """A struct, or dicts, lists, texts and whole numbers; spelled in canonical JSON."""
    status: int = 200


View = Callable[[Node, Request], Reply]


class Route(msgspec.Struct, frozen=True):
    """One entry of the table; the summary is the first line of the view's docstring."""

    method: str
    path: str
    """`{name}` is one segment, `{name:path}` the rest."""
    view: View
    query: Mapping[str, str] = {}
    """Known query parameters and what they mean; others are refused, unless `*` stands for any."""
    answer: str = ""
    """Name of the schema of the answer in `meshsec_sdk.schemas.table`; empty if free."""
    takes: str = ""
    """Name of the schema of the body; empty if there is none."""
    development: bool = False
    """Whether it is served in development mode only."""


def check_request(route: Route, node: Node, request: Request) -> None:
    """Refuse what no view has to look at.

    Raises:
        Rejected: `dev/forbidden`, `http/unknown-parameter`.
    """
    if route.development and not node.development:
        raise Rejected(NOT_DEVELOPMENT, path=route.path)
    if "*" not in route.query:
        check_query(request.query, route.query)
