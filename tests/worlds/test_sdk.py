"""What programs may rely on: answers that a node cannot forge, and a way to find out what became of what was sent."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from meshsec import mesh
from meshsec.cli.proofs import proven
from meshsec.world.base import World
from meshsec.world.chain import Transport
from meshsec.world.sim import SimWorld
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.proto import decode, encode
from meshsec_core.kernel.wire.tendermint import FLAG_ABSENT, CommitSig, SignedHeader
from meshsec_sdk.client import Client
from meshsec_sdk.errors import OutcomeUnknown, TxRejected
from meshsec_sdk.light import Anchor, Trust, of_genesis
from meshsec_sdk.mesh_file import USER_COINS, genesis_of
from meshsec_sdk.wallet import Wallet

Lie = Callable[[str, Any], Any]


@dataclass
class Liar:
    """A node whose answers pass through somebody's hands."""

    honest: Transport
    lie: Lie = lambda _path, answer: answer
    asked: list[str] = field(default_factory=list)

    def get(self, path: str) -> tuple[int, Any]:
        self.asked.append(path)
        status, answer = self.honest.get(path)
        return status, self.lie(path, json.loads(json.dumps(answer)))

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        return self.honest.post(path, body)


@pytest.fixture
def world() -> World:
    return SimWorld("pair", connect=False)


def following(world: World, lie: Lie | None = None, **rules: Any) -> tuple[Client, Liar]:
    node = Liar(world.osmosis.transport)
    client = Client(node, trust=Trust(Client(node).anchor(), now=world.logical_time, **rules))
    world.mine(3)
    if lie is not None:
        node.lie = lie
    return client, node


def alice(world: World) -> str:
    return world.osmosis.user("alice").address


def balance_path(world: World) -> str:
    return f"bank/balances/{alice(world)}/uosmo"


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(Rejected) as refusal:
        call()
    return refusal.value.code


def test_an_answer_is_verified_by_one_header_that_is_trusted(world: World) -> None:
    client, node = following(world)
    world.osmosis.send("alice", {"@type": "mesh/Bond", "amount": "100"})
    world.mine(2)
    node.asked.clear()
    assert client.balance(alice(world), verify=True) == USER_COINS - 100
    assert [path for path in node.asked if path.startswith("/v1/commits")] == [
        "/v1/commits/2",
        f"/v1/commits/{world.osmosis.height}",
    ]
    assert client.balance(alice(world), "nothing", verify=True) == 0
    first = client.state(balance_path(world), 2, verify=True)
    assert (first.height, first.value) == (2, json.dumps(str(USER_COINS)).encode())


def test_a_set_that_has_changed_too_much_is_reached_through_headers_in_between(world: World) -> None:
    client, node = following(world)
    for name in ("val-0", "val-1", "val-2"):  # of four equal ones; the last one alone is less than a third of the trusted set
        world.fault("double-sign", f"osmosis/{name}")
        world.mine(6)
    assert [each["name"] for each in world.osmosis.get("/v1/validators")["validators"]] == ["val-3"]
    node.asked.clear()
    assert client.balance(alice(world), "uosmo", verify=True) == USER_COINS
    heights = [int(path.rpartition("/")[2]) for path in node.asked if path.startswith("/v1/commits")]
    assert heights[:2] == [2, world.osmosis.height]
    assert len(heights) > 3


def test_whoever_has_nothing_to_trust_is_told_so(world: World) -> None:
    assert refused(lambda: Client(world.osmosis.transport).balance(alice(world), "uosmo", verify=True)) == "client/no-trust"


def other_value(path: str, answer: Any) -> Any:
    return {**answer, "value": "IjUi"} if path.startswith("/v1/state/") else answer


def no_value(path: str, answer: Any) -> Any:
    return {**answer, "value": None} if path.startswith("/v1/state/") else answer


def no_proof(path: str, answer: Any) -> Any:
    return {**answer, "proof": None} if path.startswith("/v1/state/") else answer


def other_height(path: str, answer: Any) -> Any:
    return {**answer, "proof_height": str(int(answer["proof_height"]) - 1)} if path.startswith("/v1/state/") else answer


def other_path(path: str, answer: Any) -> Any:
    return {**answer, "path": "bank/supply/uosmo"} if path.startswith("/v1/state/") else answer


def shapeless(path: str, answer: Any) -> Any:
    return {"height": answer["height"]} if path.startswith("/v1/commits/") else answer


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        (other_value, "proof/wrong-value"),
        (no_value, "proof/wrong-kind"),
        (no_proof, "proof/wrong-levels"),
        (other_height, "light/other-answer"),
        (other_path, "light/other-answer"),
        (shapeless, "codec/malformed"),
    ],
)
def test_a_node_that_lies_about_the_state_is_found_out(world: World, lie: Lie, code: str) -> None:
    client, _ = following(world, lie)
    assert refused(lambda: client.balance(alice(world), "uosmo", verify=True)) == code
    assert client.state(balance_path(world)).path  # unverified it is believed


def test_a_node_that_shows_another_chain_another_header_or_an_old_state_is_found_out(world: World) -> None:
    client, node = following(world)
    client.balance(alice(world), "uosmo", verify=True)
    old = world.osmosis.height - 2
    node.lie = lambda path, answer: (
        node.honest.get(f"{path}&height={old}")[1] if path.startswith("/v1/state/") and "height" not in path else answer
    )
    assert refused(lambda: client.balance(alice(world), "uosmo", verify=True)) == "light/stale"

    trusted = Client(world.juno.transport).anchor()
    for anchor, code in (
        (trusted, "light/wrong-anchor"),
        (Anchor(trusted.chain_id, 10_000, trusted.hash), "block/not-found"),
        (Anchor("juno-1", 2, Client(world.osmosis.transport).anchor(2).hash), "light/wrong-chain"),
    ):
        fooled = Client(world.osmosis.transport, trust=Trust(anchor, now=world.logical_time))
        assert refused(lambda fooled=fooled: fooled.balance(alice(world), "uosmo", verify=True)) == code  # type: ignore[misc]


def half_signed(path: str, answer: Any) -> Any:
    if not path.startswith("/v1/commits/"):
        return answer
    signed = decode(SignedHeader, b64decode(answer["proto"]))
    kept = (*signed.commit.signatures[:2], CommitSig(FLAG_ABSENT), CommitSig(FLAG_ABSENT))
    return {**answer, "proto": b64encode(encode(replace(signed, commit=replace(signed.commit, signatures=kept)))).decode()}


def test_a_header_that_half_of_the_power_signed_is_not_believed(world: World) -> None:
    client, node = following(world)
    client.balance(alice(world), "uosmo", verify=True)
    world.mine(2)
    node.lie = half_signed
    assert refused(lambda: client.balance(alice(world), "uosmo", verify=True)) == "light/insufficient-power"
    node.lie = lambda _, answer: answer
    assert client.balance(alice(world), "uosmo", verify=True) == USER_COINS


def test_trust_grows_old_and_a_chain_ahead_of_the_clock_is_not_believed(world: World) -> None:
    client, _ = following(world, trusting_period=10 * 86_400 * 10**9)
    node = Client(world.osmosis.transport)
    stopped = world.logical_time()
    early = Client(world.osmosis.transport, trust=Trust(node.anchor(), now=lambda: stopped))
    world.advance("11d")
    assert refused(lambda: client.balance(alice(world), "uosmo", verify=True)) == "light/expired"
    assert refused(lambda: early.balance(alice(world), "uosmo", verify=True)) == "light/from-the-future"


def test_whoever_knows_the_genesis_needs_no_other_anchor(world: World) -> None:
    world.mine(5)
    anchor = of_genesis(genesis_of(world.spec, "osmosis"))
    assert (anchor.chain_id, anchor.height, anchor.hash) == ("osmosis-1", 1, "")
    client = Client(world.osmosis.transport, trust=Trust(anchor, now=world.logical_time))
    assert client.balance(alice(world), verify=True) == USER_COINS
    foreign = Client(world.osmosis.transport, trust=Trust(replace(anchor, validators_hash="00" * 32), now=world.logical_time))
    assert refused(lambda: foreign.balance(alice(world), "uosmo", verify=True)) == "light/wrong-anchor"


def test_the_command_line_proves_a_value_against_the_genesis_of_the_mesh(world: World) -> None:
    world.mine(2)
    found = proven(world.osmosis, balance_path(world))
    assert (found["verified"], found["signed_by"], found["json"]) == (True, 4, str(USER_COINS))
    assert proven(world.osmosis, "bank/balances/nobody/uosmo")["value"] is None


def test_a_state_before_the_anchor_is_not_vouched_for(world: World) -> None:
    client, _ = following(world)
    assert refused(lambda: client.state(balance_path(world), 0, verify=True)) == "light/below-anchor"


# what became of it


@dataclass
class Lossy:
    """A line that loses what is sent, or the answer to it, as often as it is told."""

    world: World
    requests: int = 0
    answers: int = 0
    late: bool = False
    """Blocks come between a question and the next attempt, and not before the question."""

    def get(self, path: str) -> tuple[int, Any]:
        if path.startswith("/v1/txs/") and not self.late:
            self.world.mine()
        return self.world.osmosis.transport.get(path)

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        if self.late:
            self.world.mine()
        if self.requests:
            self.requests -= 1
            raise OutcomeUnknown("the request is lost")
        said = self.world.osmosis.transport.post(path, body)
        if self.answers:
            self.answers -= 1
            raise OutcomeUnknown("the answer is lost")
        return said


@pytest.mark.parametrize(("requests", "answers"), [(1, 0), (0, 1), (2, 2), (0, 0)])
def test_what_was_lost_is_found_out_and_done_once(world: World, requests: int, answers: int) -> None:
    client = Client(Lossy(world, requests, answers))
    wallet = Wallet.named(client, "alice")
    with pytest.raises(OutcomeUnknown) as unknown:
        wallet.send(mesh.Bond(100))
    receipt = client.resolve(unknown.value)
    assert (receipt.code, receipt.hash) == ("", unknown.value.tx_hash)
    assert client.resolve(unknown.value) == receipt
    assert client.balance("alice") == USER_COINS - 100


def test_a_block_that_comes_between_the_question_and_the_next_attempt_makes_it_no_refusal(world: World) -> None:
    client = Client(Lossy(world, answers=1, late=True))
    with pytest.raises(OutcomeUnknown) as unknown:
        Wallet.named(client, "alice").send(mesh.Bond(100))
    assert client.receipt(unknown.value.tx_hash) is None
    assert client.resolve(unknown.value).code == ""
    assert client.balance("alice") == USER_COINS - 100


def test_a_sequence_that_somebody_else_has_used_makes_it_a_definite_no(world: World) -> None:
    client = Client(Lossy(world, requests=1))
    wallet = Wallet.named(client, "alice")
    with pytest.raises(OutcomeUnknown) as unknown:
        wallet.send(mesh.Bond(100))
    world.osmosis.send("alice", {"@type": "mesh/Bond", "amount": "7"})
    with pytest.raises(TxRejected) as refusal:
        client.resolve(unknown.value)
    assert refusal.value.code == "auth/wrong-sequence"
    assert client.balance("alice") == USER_COINS - 7


def test_what_stays_silent_stays_unknown_and_what_was_never_a_transaction_is_a_mistake(world: World) -> None:
    client = Client(Lossy(world, requests=1_000))
    wallet = Wallet.named(client, "alice")
    with pytest.raises(OutcomeUnknown) as unknown:
        wallet.send(mesh.Bond(100))
    with pytest.raises(OutcomeUnknown) as still:
        client.resolve(unknown.value, seconds=0.1)
    assert still.value is unknown.value
    with pytest.raises(ValueError):
        client.resolve(OutcomeUnknown("an order"))
