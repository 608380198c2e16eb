"""The interface of every world: chains, users, time, faults and packets. Tests and scenarios are written against it.

Everything is read and sent through the chains' HTTP interface, in processes over sockets, in the simulation without.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from types import TracebackType
from typing import Any, Protocol, Self

from meshsec.world.chain import Branch, Chain, Transport
from meshsec.world.chance import Streams
from meshsec.world.mishaps import MISHAPS, strike
from meshsec.world.ways import denom_of
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.faults import parameters as takes
from meshsec_core.runtime.law import Law
from meshsec_sdk.errors import TxRejected
from meshsec_sdk.mesh_file import MeshSpec
from meshsec_sdk.quantities import duration

UNKNOWN_CHAIN = "world/unknown-chain"
STUCK = "world/stuck"
UNKNOWN_RELAYER = "world/unknown-relayer"
BAD_DURATION = "world/bad-duration"

UNDOING = ("release", "mend", "clear", "resume")
"""Orders that undo what relayers have been told to do wrong."""

SEED = "seed"
"""What faults call the parameter that decides what they leave to chance."""


class Named(Protocol):
    """A snapshot, as a world hands it out."""

    @property
    def name(self) -> str:
        """Under which the world knows it."""


class World(ABC):
    """A running mesh. Use it as a context manager."""

    def __init__(self, spec: MeshSpec, seed: int = 0) -> None:
        self.spec = spec
        self.streams = Streams(seed)
        self.chains: dict[str, Chain] = {}
        self.branches: dict[str, Branch] = {}
        """Other futures of chains, by names such as `juno~fork`."""

    def __getattr__(self, name: str) -> Chain:
        chains = self.__dict__.get("chains", {})
        if name in chains:
            found: Chain = chains[name]
            return found
        raise AttributeError(f"this world has no chain {name}; it has {', '.join(chains)}", name=name, obj=self)

    @property
    def seed(self) -> int:
        """What all of its chance is drawn from."""
        return self.streams.seed

    def chance(self, name: str) -> Random:
        """Return a stream of random numbers of its own for whatever is chosen; the same for the same seed and name."""
        return self.streams.of(name)

    def chain(self, name: str) -> Chain:
        """Return a chain by short name, or a branch by a name such as `juno~fork`.

        Raises:
            Rejected: `world/unknown-chain`.
        """
        return self.branches[name] if name in self.branches else self.own_chain(name)

    def own_chain(self, name: str) -> Chain:
        """Return a chain by short name; a branch is none.

        Raises:
            Rejected: `world/unknown-chain`.
        """
        if name not in self.chains:
            raise Rejected(UNKNOWN_CHAIN, chain=name[:100], known=", ".join((*self.chains, *self.branches)))
        return self.chains[name]

    def branch(self, name: str) -> Branch:
        """Return a branch by a name such as `juno~fork`.

        Raises:
            Rejected: `world/unknown-chain`.
        """
        if name not in self.branches:
            raise Rejected(UNKNOWN_CHAIN, chain=name[:100], known=", ".join(self.branches))
        return self.branches[name]

    def validator(self, target: str) -> tuple[Chain, str]:
        """Read `juno/val-0` into the chain and the validator's name.

        Raises:
            Rejected: `world/unknown-chain`.
        """
        chain, _, name = target.partition("/")
        return self.chain(chain), name

    def validators(self, target: str) -> tuple[Chain, str | None]:
        """Read `juno/val-0` into the chain and the validator's name; `juno` stands for all of its validators.

        Raises:
            Rejected: `world/unknown-chain`.
        """
        chain, name = self.validator(target)
        return chain, name or None

    # what every world does in its own way

    @abstractmethod
    def include(self, chain: Chain, order: dict[str, Any]) -> dict[str, Any]:
        """Have a `dev/send` order signed and included; return the receipt as JSON, also of a transaction without effect.

        Raises:
            TxRejected: the transaction did not get into a block.
        """

    @abstractmethod
    def mine(self, blocks: int = 1) -> None:
        """Make every chain produce blocks."""

    @abstractmethod
    def relay(self) -> None:
        """Let the relayers work until nothing is in flight that they may move: packets and acknowledgements only.

        Raises:
            Rejected: `world/stuck` with what it waits for.
        """

    @abstractmethod
    def advance_by(self, nanoseconds: int, *, keep_alive: bool = True) -> None:
        """Move the mesh-wide clock, in steps between which the relayers keep light clients alive; otherwise in one jump."""

    @abstractmethod
    def crash(self, target: str, batch: int = 0, *, commit: bool = False) -> None:
        """Kill a chain or `relayer` without warning; it starts again from what is durable, without its branches.

        Args:
            target: a chain's short name, `relayer` for all of them, or `relayer/ID` for one.
            batch: of a chain, before which durable write from now the power fails; 0 is at once.
            commit: count those alone that make a block durable: what was decided is lost.

        Raises:
            Rejected: `world/unknown-chain`.
        """

    @abstractmethod
    def reach_branch(self, origin: Chain, name: str) -> Transport:
        """Return the HTTP interface of a branch that a chain has begun."""

    @abstractmethod
    def logical_time(self) -> int:
        """Return the mesh-wide time, nanoseconds."""

    @abstractmethod
    def wait(self, chains: tuple[str, ...]) -> None:
        """Let chains make the blocks that somebody waits for."""

    @abstractmethod
    def relayer(self, order: str, body: dict[str, Any] | None = None, only: str | None = None) -> Any:
        """Give relayers an order (those of `meshsec_relayer.orders`, `stop`, `start` or `status`), and return what each says.

        Args:
            order: what to do.
            body: the order's parameters.
            only: the one relayer that is meant; all by default.

        Raises:
            Rejected: `world/unknown-relayer`, `relayer/unknown-order`, `codec/malformed`.
        """

    @abstractmethod
    def present(self) -> tuple[str, ...]:
        """Return the relayers that have not been taken away."""

    def meant(self, only: str | None) -> tuple[str, ...]:
        """Return the relayers that are meant: one, or all.

        Raises:
            Rejected: `world/unknown-relayer`.
        """
        if only is not None and only not in self.spec.relayers:
            raise Rejected(UNKNOWN_RELAYER, relayer=only[:100], known=", ".join(self.spec.relayers))
        return self.spec.relayers if only is None else (only,)

    @abstractmethod
    def snapshot(self, name: str) -> Named:
        """Save the whole mesh under a name: chains with their double-sign guards, packets, relayers and the clock.

        One of the same name is replaced.
        """

    @abstractmethod
    def revert(self, to: Named | str) -> None:
        """Bring the whole mesh back to a snapshot, as often as wanted and from wherever it is; faults end.

        What was signed since is abandoned: nobody can be accused of it.

        Raises:
            Rejected: `snapshot/not-found` with the names that are known.
        """

    @abstractmethod
    def check_laws(self, across: Callable[[Law], bool] = lambda _: True) -> None:
        """Check every law of every chain, and those across chains that are chosen; all by default.

        Raises:
            InvariantViolated: a law does not hold.
        """

    @abstractmethod
    def digest(self) -> str:
        """Return a hash over all blocks and events so far."""

    @abstractmethod
    def close(self) -> None:
        """End the world and whatever runs for it."""

    # what all worlds share

    def fault(self, kind: str, target: str, /, **parameters: str | int) -> Any:
        """Break something: a validator such as `juno/val-0`, all of a chain, or what else the kind of fault strikes.

        Chance that is left out, such as of `drop`, is drawn from the world's own.

        Raises:
            Rejected: `dev/unknown-fault`, `dev/bad-fault`, `dev/unknown-validator`, `world/unknown-chain`; nothing changes.
        """
        drawn = MISHAPS[kind].parameters.__struct_fields__ if kind in MISHAPS else [item.name for item in takes(kind)]
        if SEED not in parameters and SEED in drawn:
            parameters = {**parameters, SEED: self.chance(f"fault/{kind}").getrandbits(32)}
        if kind in MISHAPS:
            return strike(self, kind, target, parameters)
        chain, name = self.validators(target)
        return chain.post("/v1/dev/fault", {"kind": kind, "validator": name, **parameters})

    def partition(self, chain: str, groups: Sequence[Sequence[str]]) -> None:
        """Let messages of a chain's validators pass only inside groups; whoever is in none forms a last group.

        Raises:
            Rejected: `dev/unknown-validator`, `dev/bad-partition`, `world/unknown-chain`; nothing changes.
        """
        self.chain(chain).post("/v1/dev/partition", {"groups": [list(group) for group in groups]})

    def heal(self, target: str | None = None) -> None:
        """End the faults of a validator, or a chain's faults, partition and branches; or all, also what relayers were told.

        Everybody hears what was missed, and relayers carry what was held or dropped.
        """
        chain, name = (None, None) if target is None else self.validators(target)
        healed = list(self.chains.values()) if chain is None else [chain]
        for each in healed:
            each.post("/v1/dev/heal", {"validator": name})
        if name is None:
            self.forget_branches([each.name for each in healed])
        if target is None:
            for relayer in self.present():
                for order in UNDOING:
                    self.relayer(order, {}, relayer)

    def fork(self, chain: str, validators: Collection[str], name: str = "fork", *, late: bool = False) -> Branch:
        """Begin another future of a chain, in which only these validators are up; they sign there whatever they sign elsewhere.

        Args:
            chain: its short name.
            validators: by name; with more than two thirds of the power both sides go on.
            name: of the branch, which is then called `<chain>~<name>`.
            late: let nobody propose in round 0 of its first block, so that another round decides it than on the chain.

        Raises:
            Rejected: `world/unknown-chain`, `dev/unknown-validator`, `branch/exists`, `branch/bad-name`.
        """
        origin = self.own_chain(chain)
        begun = origin.post("/v1/dev/fork", {"name": name, "validators": list(validators), "late": late})
        return self.open_branch(origin, begun)

    def open_branch(self, origin: Chain, begun: Any) -> Branch:
        """Return a handle on a branch that a chain shows."""
        branch = Branch(origin, begun["name"], self.reach_branch(origin, begun["name"]), int(begun["base"]))
        self.branches[branch.name] = branch
        return branch

    def end_fork(self, branch: str) -> None:
        """Forget a branch such as `juno~fork`; whoever has believed it goes on to do so.

        Raises:
            Rejected: `world/unknown-chain`.
        """
        found = self.branch(branch)
        found.origin.post("/v1/dev/end-fork", {"name": found.short_name})
        del self.branches[found.name]

    def forget_branches(self, origins: Collection[str]) -> None:
        """Let go of the branches of these chains, which have ended."""
        self.branches = {name: branch for name, branch in self.branches.items() if branch.origin.name not in origins}

    def set_balance(self, chain: str, address: str, amount: int, denom: str = "") -> None:
        """Let an account hold so much: by a transfer from or to the faucet, or on a branch by forging the state.

        Raises:
            Rejected: `world/unknown-chain`, `names/unknown`, `dev/not-a-name`, `bank/bad-amount`.
            TxRejected: the giver has less.
        """
        place = self.chain(chain)
        coin = denom_of(place, denom) if denom else ""
        said = place.post("/v1/dev/set-balance", {"address": address, "amount": str(amount), "denom": coin})
        self.mine()
        if "hash" in said and (receipt := place.get(f"/v1/txs/{said['hash']}"))["code"]:
            raise TxRejected(receipt["code"], receipt["facts"])

    def settle(self) -> None:
        """Relay, pass an epoch, relay, until nothing changes; then check every law.

        Raises:
            Rejected: `world/stuck` if packets go on without end.
            InvariantViolated: a law does not hold.
        """
        self.come_to_rest()
        self.check_laws()

    def come_to_rest(self) -> None:
        """Relay, pass an epoch, relay, until nothing changes.

        Raises:
            Rejected: `world/stuck` if packets go on without end.
        """
        for _ in range(50):
            self.relay()
            before = self.pulse()
            self.mine(2)
            self.relay()
            if self.pulse() == before:
                return
        raise Rejected(STUCK, reason="packets go on without end")

    def pulse(self) -> tuple[str, ...]:
        """Return what changes when packets or stake move: the next sequences of all channels, and the powers of all sets."""
        said: list[str] = []
        for name in sorted(self.chains):
            sent = self.chains[name].get("/v1/state?prefix=ibc/nextSequence&limit=1000")["entries"]
            said += [f"{name} {entry['path']} {entry['value']}" for entry in sent]
            said += [f"{entry['address']} {entry['power']}" for entry in self.chains[name].get("/v1/validators")["validators"]]
        return tuple(said)

    def advance(self, how_long: str, *, keep_alive: bool = True) -> None:
        """Move the mesh-wide clock by a duration such as `21d`, or by blocks such as `5blocks`.

        Args:
            how_long: the duration.
            keep_alive: let the relayers refresh light clients on the way; otherwise it is one jump, and clients whose trusting
                period is shorter are dead after it.

        Raises:
            Rejected: `world/bad-duration`.
        """
        blocks = how_long.removesuffix("blocks")
        nanoseconds = duration(how_long)
        if blocks != how_long and blocks.strip().isdigit():
            self.mine(int(blocks))
        elif nanoseconds is not None:
            self.advance_by(nanoseconds, keep_alive=keep_alive)
        else:
            raise Rejected(BAD_DURATION, found=how_long[:50], expected="such as 90s, 12h, 21d or 5blocks")

    @contextmanager
    def hold_packets(self, **which: str) -> Iterator[None]:
        """Hold packets that match (such as `kind="slash"`) for the length of a block of code."""
        self.relayer("hold", dict(which))
        try:
            yield
        finally:
            self.relayer("release", dict(which))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
