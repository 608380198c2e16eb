"""Two simulated chains, real to the last signature, and a relayer between them that can be killed, blinded and pestered.

pair = Pair()
pair.settle()
pair.send("osmosis", "alice", Transfer(...))
pair.settle()
"""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from ibc_probe import PROBE, Say
from meshsec.world.sim_chain import SimChain
from meshsec_core.app import fingerprint
from meshsec_core.ibc.transfer import PORT, VERSION, Transfer
from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import MemoVerifier
from meshsec_core.kernel.types import SECOND, Denom
from meshsec_core.kernel.wire.ibc import Height, voucher_denom
from meshsec_core.replica.replica import Replica
from meshsec_core.runtime.module import Module, Msg
from meshsec_core.runtime.tx import make_tx
from meshsec_core.security.model import SecurityModel
from meshsec_node.views.local import LocalTransport
from meshsec_relayer.config import ChainConfig, ChannelConfig, PathConfig, RelayerConfig
from meshsec_relayer.courier import Courier
from meshsec_relayer.engine import reports
from meshsec_relayer.engine.boundary import Answer, Ask, Event, Log, Save
from meshsec_relayer.store import MemoryStore
from meshsec_sdk import names
from meshsec_sdk.mesh_file import GENESIS_TIME, consensus_keys, genesis_of, topology
from meshsec_sdk.models import load_models

TRANSFER = ChannelConfig(proposer="a", port=PORT, counterparty_port=PORT, version=VERSION)

MESH = (
    TRANSFER,
    ChannelConfig(proposer="a", port="mesh-consumer", counterparty_port="mesh-provider"),
    ChannelConfig(proposer="b", port="mesh-consumer", counterparty_port="mesh-provider"),
)
"""A transfer channel, and a link in both directions."""

BUILT_IN = ("mesh", "none")

PROBE_MODEL = SecurityModel("probe", "a test application", PROBE, Module("probe/nothing"))

UNORDERED_PROBE = ChannelConfig(proposer="a", port="probe", counterparty_port="probe")
ORDERED_PROBE = ChannelConfig(proposer="a", port="probe", counterparty_port="probe", ordering="ORDER_ORDERED")

Meddle = Callable[[str, str], bool]
"""(chain, path) -> whether the answer to this request is lost after the chain has heard it."""

Forge = Callable[[str, str, tuple[int, Any]], tuple[int, Any]]
"""(chain, path, honest answer) -> what the relayer gets to hear."""


class ProbedChain(SimChain):
    """A simulated chain that also runs the test application `probe`."""

    def _open(self) -> Replica:
        models = {PROBE_MODEL.name: PROBE_MODEL, **load_models(BUILT_IN)}
        return Replica.open(self._genesis, consensus_keys(self.spec), self.storage, verify=MemoVerifier(), models=models)


class Wire:
    """A chain's interface, on which answers can get lost."""

    def __init__(self, name: str, inner: LocalTransport, rig: "Pair") -> None:
        self._name = name
        self._inner = inner
        self._rig = rig

    def get(self, path: str) -> tuple[int, Any]:
        return self._pass(path, lambda: self._inner.get(path))

    def post(self, path: str, body: bytes) -> tuple[int, Any]:
        return self._pass(path, lambda: self._inner.post(path, body))

    def _pass(self, path: str, call: Callable[[], tuple[int, Any]]) -> tuple[int, Any]:
        self._rig.requests.append((self._name, path))
        if self._name in self._rig.dead:
            raise ConnectionError
        answer = call()
        if self._rig.loses(self._name, path):
            raise ConnectionError
        return self._rig.forges(self._name, path, answer)


class Pair:
    """osmosis and juno. Beside token transfer they run the test application and, if asked, Mesh Security."""

    def __init__(
        self, channels: tuple[ChannelConfig, ...] = (TRANSFER,), *, mesh: bool = False, chains: str = "pair", **config: Any
    ) -> None:
        chosen = {PROBE_MODEL.name: PROBE_MODEL, **(load_models(BUILT_IN) if mesh else {})}
        self.mesh = topology(chains)
        self.now = GENESIS_TIME
        self.requests: list[tuple[str, str]] = []
        self.logs: list[Log] = []
        self.dead: set[str] = set()
        self.loses: Meddle = lambda _chain, _path: False
        self.forges: Forge = lambda _chain, _path, answer: answer
        self.nodes: dict[str, SimChain] = {}
        for chain in self.mesh.chains:
            genesis = genesis_of(self.mesh, chain.name)
            genesis = msgspec.structs.replace(
                genesis,
                models={name: fingerprint(model) for name, model in chosen.items()},
                modules={name: given for name, given in genesis.modules.items() if mesh or not name.startswith("mesh/")},
            )
            self.nodes[chain.name] = ProbedChain(chain, genesis, self.mesh)
        interfaces = {chain.name: ChainConfig("", chain.names.chain_id, chain.names.prefix) for chain in self.mesh.chains}
        paths = tuple(PathConfig(a, b, channels) for a, b in self.mesh.pairs())
        self.config = RelayerConfig("main", interfaces, paths, models=("mesh",) if mesh else (), **config)
        self.store = MemoryStore()
        self.courier = self.hire()
        self.mine(2)

    def hire(self, store: MemoryStore | None = None, **changes: Any) -> Courier:
        """Return a new relayer over the same chains, by default with the durable image of the one before."""
        config = msgspec.structs.replace(self.config, **changes)
        return Courier(config, self.wires(), self.store if store is None else store, log=self.logs.append)

    def shuffle(self, seed: int) -> None:
        """Go on with a relayer that hears answers in any order."""
        shuffled = ShuffledCourier(self.config, self.wires(), self.store, log=self.logs.append)
        shuffled.chance = Random(seed)
        self.courier = shuffled

    def wires(self) -> dict[str, Wire]:
        return {name: Wire(name, LocalTransport(node), self) for name, node in self.nodes.items()}

    def restart(self) -> None:
        """Kill the relayer: nothing is left but its durable image."""
        self.store = MemoryStore(self.store.raw)
        self.courier = self.hire()

    def mine(self, blocks: int = 1, chains: tuple[str, ...] = (), seconds: int = 1) -> None:
        """Let time pass and make blocks."""
        for _ in range(blocks):
            self.now += seconds * SECOND
            for name in chains or tuple(self.nodes):
                if name not in self.dead:
                    assert self.nodes[name].make_block(self.now)

    def settle(self, courier: Courier | None = None, patience: int = 150) -> None:
        """Relay until nothing is left to do."""
        (courier or self.courier).run_until_idle(lambda: self.now, lambda _chains: self.mine(), patience)

    def send(self, chain: str, sender: str, *msgs: Msg) -> dict[str, Any]:
        """Sign, submit, mine one block on that chain, and return the receipt."""
        node = self.nodes[chain]
        key, names_ = names.key_of(sender, chain), names.chain_name(chain)
        sequence = int(LocalTransport(node).get(f"/v1/accounts/{self.address(chain, sender)}")[1]["next_sequence"])
        raw = make_tx(key, names_.prefix, names_.chain_id, sequence, msgs)
        status, answer = LocalTransport(node).post("/v1/txs", raw)
        assert status == 202, answer
        self.mine(1, (chain,))
        status, receipt = LocalTransport(node).get(f"/v1/txs/{answer['hash']}")
        assert status == 200, receipt
        return dict(receipt)

    def address(self, chain: str, user: str) -> str:
        return names.address(user, names.chain_name(chain))

    def balance(self, chain: str, user: str, denom: str) -> int:
        found = LocalTransport(self.nodes[chain]).get(f"/v1/accounts/{self.address(chain, user)}")[1]["balances"]
        return int(found.get(denom, "0"))

    def state(self, chain: str, path: str) -> bytes | None:
        found: bytes | None = self.nodes[chain].replica.state.get(path)
        return found

    def events(self, chain: str, kind: str) -> list[dict[str, str]]:
        """Return the attributes of all events of a kind on a chain, oldest first."""
        node = self.nodes[chain]
        results = (node.replica.results(height) for height in range(1, node.replica.height + 1))
        return [dict(event.attributes) for result in results if result for event in result.events if event.type == kind]

    def refusals(self, chain: str) -> list[str]:
        """Return the codes of all transactions of a chain that took no effect."""
        node = self.nodes[chain]
        results = (node.replica.results(height) for height in range(1, node.replica.height + 1))
        return [receipt.code for result in results if result for receipt in result.receipts if receipt.code]


class ShuffledCourier(Courier):
    """A courier whose requests are answered in any order, as they are over sockets."""

    chance: Random

    def _feed(self, event: Event) -> None:
        events: list[Event] = [event]
        while events:
            for effect in self.engine.handle(events.pop(self.chance.randrange(len(events)))):
                match effect:
                    case Save(image):
                        self._store.save(image)
                    case Ask(number, request):
                        events.append(Answer(number, self._ask(request)))
                    case _:
                        self._log(effect)


VOUCHER = voucher_denom("transfer/channel-0/uosmo")
"""What osmo is called on juno, over the first channel."""


def transfer(rig: Pair, amount: int = 1_000, **timeout: int | Height) -> str:
    """Send osmo from alice to bob on juno; return the packet's id."""
    receipt = rig.send("osmosis", "alice", Transfer("channel-0", Denom("uosmo"), amount, rig.address("juno", "bob"), **timeout))  # type: ignore[arg-type]
    assert receipt["code"] == "", receipt
    sent = rig.events("osmosis", "send_packet")
    return f"osmosis:transfer:channel-0:{sent[-1]['packet_sequence']}"


def say(rig: Pair, *texts: bytes, chain: str = "osmosis", seconds: int = 6_000) -> None:
    """Send packets of the test application in one transaction."""
    messages = [Say("channel-0", text, timeout_timestamp=rig.now + seconds * SECOND) for text in texts]
    receipt = rig.send(chain, "alice", *messages)
    assert receipt["code"] == "", receipt


def heard(rig: Pair, chain: str, what: str) -> bytes:
    """Return what the test application has noted: packets that it has `received`, `acknowledged` or `timed-out`."""
    return rig.state(chain, f"probe/{what}") or b""


def waits_for(rig: Pair, packet: str) -> str:
    """Return what the relayer says a packet waits for."""
    return reports.trace(rig.courier.engine, packet).packet.waits_for


def messages_of(rig: Pair, chain: str) -> list[tuple[str, ...]]:
    """Return the message types of every transaction in a chain's blocks."""
    replica = rig.nodes[chain].replica
    found = (replica.results(height) for height in range(1, replica.height + 1))
    return [receipt.msgs for result in found if result is not None for receipt in result.receipts]


def packet_names(courier: Courier) -> list[str]:
    """Return the ids of the packets that a relayer has under way."""
    return [name for path in courier.engine.paths.values() for name in path.book.entries]


def spelled(value: Any) -> Any:
    """Return what the relayer's HTTP interface would show of a report."""
    return codec.plain(value)
