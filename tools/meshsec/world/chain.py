"""A chain of a world, its branches and its users, through the chain's HTTP interface."""

from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

import msgspec

from meshsec.world.ways import denom_of
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.runtime.module import Msg
from meshsec_sdk import names
from meshsec_sdk.errors import TxRejected

if TYPE_CHECKING:
    from meshsec.world.base import World

UNKNOWN_VALIDATOR = "world/unknown-validator"

FORK = "~"
"""Between a chain's name and that of a branch of it."""


class Transport(Protocol):
    """A chain's HTTP interface."""

    def get(self, path: str) -> tuple[int, Any]:
        """Return (status, parsed JSON)."""

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Send JSON; return (status, parsed JSON)."""


class Receipt(msgspec.Struct, frozen=True):
    """What became of a transaction."""

    hash: str
    height: int
    code: str
    events: tuple[dict[str, Any], ...]
    gas_used: int


class User:
    """Somebody with a development key, on one chain."""

    def __init__(self, chain: "Chain", name: str) -> None:
        self.chain = chain
        self.name = name

    @property
    def address(self) -> str:
        """The user's address on this chain."""
        return names.address(self.name, self.chain.names)

    def send(self, *msgs: Msg) -> Receipt:
        """Sign messages, wait until a block includes them, and return the receipt.

        Raises:
            TxRejected: refused, or included without effect; nothing but sequence and fee has changed.
        """
        return self.chain.send(self.name, *(codec.plain(msg) for msg in msgs))

    def balance(self, denom: str | None = None) -> int:
        """Return the user's coins of a denomination, the chain's own by default."""
        return self.chain.balance(self.address, denom)


class Chain:
    """One chain of a world, through its HTTP interface."""

    def __init__(self, world: "World", name: str, transport: Transport) -> None:
        self.world = world
        self.names = names.chain_name(name.partition(FORK)[0])
        self.name = name
        self.transport = transport

    def user(self, name: str) -> User:
        """Return a user by development name.

        Raises:
            Rejected: `names/unknown`.
        """
        names.key_of(name, self.names.name)
        return User(self, name)

    def send(self, sender: str, *msgs: dict[str, Any], fee: int = 0) -> Receipt:
        """Have messages (spelled as JSON, names allowed) signed by a development key and included.

        Raises:
            TxRejected: as `User.send`.
        """
        found = self.world.include(self, {"from": sender, "msgs": list(msgs), "fee": str(fee)})
        if found["code"]:
            raise TxRejected(found["code"], found["facts"])
        return Receipt(found["hash"], int(found["height"]), "", tuple(found["events"]), int(found["gas_used"]))

    def get(self, path: str) -> Any:
        """Ask the chain's HTTP interface.

        Raises:
            Rejected: with the problem's code, if the answer is none of the 2xx.
        """
        status, answer = self.transport.get(path)
        return accepted(status, answer)

    def post(self, path: str, body: Any) -> Any:
        """Tell the chain's HTTP interface.

        Raises:
            Rejected: with the problem's code, if the answer is none of the 2xx.
        """
        status, answer = self.transport.post(path, body)
        return accepted(status, answer)

    @property
    def height(self) -> int:
        """Height of the last block."""
        return int(self.get("/v1/status")["height"])

    @property
    def time(self) -> int:
        """Time of the last block, nanoseconds."""
        return int(self.get("/v1/status")["time"])

    def balance(self, address: str, denom: str | None = None) -> int:
        """Return the coins of an address (or development name); a voucher may be named by its way home, as in `ways`."""
        held = self.get(f"/v1/accounts/{self._address(address)}")["balances"]
        return int(held.get(denom_of(self, denom) if denom else self.names.denom, "0"))

    def query(self, module: str, name: str, **parameters: str) -> Any:
        """Ask a module's view by name."""
        asked = urlencode(parameters)
        return self.get(f"/v1/query/{module}/{name}" + (f"?{asked}" if asked else ""))

    def find_validator(self, name: str) -> Any:
        """Return a validator by name: what staking knows, and in the active set its powers (native, virtual by link).

        Raises:
            Rejected: `world/unknown-validator`.
        """
        known = {found["name"]: found for found in self.query("staking", "validators")}
        if name not in known:
            raise Rejected(UNKNOWN_VALIDATOR, validator=name[:100], chain=self.name, known=", ".join(known))
        active = {found["name"]: found for found in self.get("/v1/validators")["validators"]}
        return {**known[name], "power": "0", "native": "0", "virtual": {}, **active.get(name, {})}

    def _address(self, text: str) -> str:
        return text if text.startswith(self.names.prefix + "1") else names.address(text, self.names)


class Branch(Chain):
    """Another future of a chain, made by validators who sign on both sides; everything that works on a chain works here."""

    def __init__(self, origin: Chain, name: str, transport: Transport, base: int) -> None:
        super().__init__(origin.world, f"{origin.name}{FORK}{name}", transport)
        self.origin = origin
        self.short_name = name
        self.base = base
        """The last height that both sides have in common."""


def accepted(status: int, answer: Any) -> Any:
    """Return a good answer; turn a problem into what it says. Who is not ready (503) answers so too, and that is no problem.

    Raises:
        Rejected: with the problem's code and facts.
    """
    if 200 <= status < 300 or "ready" in answer:
        return answer
    raise Rejected(answer["code"], **answer["facts"])
