"""What is done with a fork once there is one: its makers show it to other chains, and whoever has seen both sides tells.

Nothing here is trusted: headers, packets and proofs go to the chains as anybody's would, signed by a user.
"""

import base64
from typing import TYPE_CHECKING

from meshsec.relays import relayer_config
from meshsec.world.chain import Branch, Chain
from meshsec_core.consensus.attack import make_light_client_attack
from meshsec_core.ibc.client import CLIENT_NOT_ACTIVE, UpdateClient
from meshsec_core.ibc.tendermint import Status
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import (
    HEADER_URL,
    MISBEHAVIOUR_URL,
    ClientHeader,
    ClientMisbehaviour,
    Height,
    any_encode,
)
from meshsec_core.kernel.wire.proto import decode, encode
from meshsec_core.kernel.wire.tendermint import LightBlock, SignedHeader, ValidatorSet, encode_evidence
from meshsec_relayer.config import RelayerConfig
from meshsec_relayer.courier import Courier
from meshsec_relayer.store import MemoryStore
from meshsec_sdk.errors import TxRejected

if TYPE_CHECKING:
    from meshsec.world.base import World

NO_CLIENT = "world/no-client"
NO_HEIGHT = "world/no-such-height"

FIRST = "first"
LATEST = "latest"
PAGE = 1_000


def show(branch: Branch, victim: Chain, height: str, user: str) -> None:
    """Show a header of a branch to the light client by which another chain follows the chain that forked.

    Args:
        branch: where the header is from.
        victim: whose client it is.
        height: of the header: `first` behind the fork, `latest`, or a number.
        user: who signs.

    Raises:
        Rejected: `world/no-client`, `world/no-such-height`.
        TxRejected: the client does not believe it.
    """
    client = client_of(victim, branch.origin)
    header = client_header(branch, _height(branch, height, branch.height), _trusted(victim, client, branch))
    victim.user(user).send(UpdateClient(client, any_encode(HEADER_URL, encode(header))))


def deliver(world: "World", branch: Branch, victim: Chain, user: str) -> None:
    """Carry everything between a branch and another chain, as a relayer does whose only view of the chain is the branch.

    Args:
        world: where both are.
        branch: in the place of the chain that forked.
        victim: the other chain.
        user: who signs.

    Raises:
        Rejected: `relayer/stuck`.
    """
    show(branch, victim, LATEST, user)
    ends = {branch.origin.name: branch, victim.name: victim}
    whole = relayer_config(world.spec, world.spec.relayers[0], dict.fromkeys(world.chains, ""))
    config = RelayerConfig(
        id="attackers",
        chains={name: whole.chains[name] for name in ends},
        paths=tuple(path for path in whole.paths if {path.a, path.b} == set(ends)),
        key=f"user/{user}",
        models=whole.models,
    )
    courier = Courier(config, {name: end.transport for name, end in ends.items()}, MemoryStore())
    courier.run_until_idle(world.logical_time, world.wait)


def report(branch: Branch, victim: Chain, height: str, user: str) -> None:
    """Tell both chains of a fork: the client that two headers exist, the chain who signed both.

    What is known already is not told again: a client that is frozen, evidence that waits or was carried.

    Args:
        branch: one side of the fork.
        victim: whose light client could be fooled.
        height: of the two headers: `first` behind the fork, the `latest` that both sides have, or a number.
        user: who signs.

    Raises:
        Rejected: `world/no-client`, `world/no-such-height`, or why the evidence proves nothing.
        TxRejected: the client is not convinced.
    """
    origin = branch.origin
    number = _height(branch, height, min(branch.height, origin.height))
    client = client_of(victim, origin)
    if victim.query("ibc", "client", client_id=client)["status"] != Status.FROZEN:
        trusted = _trusted(victim, client, branch)
        accusation = ClientMisbehaviour(client_header(branch, number, trusted), client_header(origin, number, trusted))
        try:
            victim.user(user).send(UpdateClient(client, any_encode(MISBEHAVIOUR_URL, encode(accusation))))
        except TxRejected as refusal:
            if refusal.code != CLIENT_NOT_ACTIVE:  # a relayer was faster
                raise
    evidence = make_light_client_attack(
        *(light_block(*side) for side in ((branch, number), (origin, number), (origin, branch.base)))
    )
    origin.post("/v1/evidence", {"evidence": base64.b64encode(encode_evidence(evidence)).decode()})


def light_block(chain: Chain, height: int) -> LightBlock:
    """Fetch a height as light clients see it."""
    signed = decode(SignedHeader, _proto(chain, f"/v1/commits/{height}"))
    return LightBlock(signed, decode(ValidatorSet, _proto(chain, f"/v1/validators?height={height}")))


def client_header(chain: Chain, height: int, trusted: int) -> ClientHeader:
    """Fetch a header for a client that knows another height of the chain."""
    found = light_block(chain, height)
    announced = decode(ValidatorSet, _proto(chain, f"/v1/validators?height={trusted + 1}"))
    return ClientHeader(found.signed_header, found.validators, Height(1, trusted), announced)


def client_of(host: Chain, subject: Chain) -> str:
    """Return the client by which a chain follows another: that of their first open connection.

    Raises:
        Rejected: `world/no-client`.
    """
    for connection in host.query("ibc", "connections"):
        if (connection["chain_id"], connection["state"]) == (subject.names.chain_id, "OPEN"):
            return str(connection["client_id"])
    raise Rejected(NO_CLIENT, host=host.name, follows=subject.name)


def _trusted(host: Chain, client: str, branch: Branch) -> int:
    """Return the greatest height that a client knows and both sides of a fork have."""
    prefix, after = f"ibc/clients/{client}/consensusStates/", ""
    known: list[int] = []
    while True:
        page = host.get(f"/v1/state?prefix={prefix}&limit={PAGE}" + (f"&after={after}" if after else ""))
        names = [entry["path"].removeprefix(prefix) for entry in page["entries"]]
        known += [Height.parse(name).height for name in names if "/" not in name]
        if page["next"] is None:
            break
        after = page["next"]
    below = [height for height in known if height <= branch.base]
    if not below:
        raise Rejected(NO_HEIGHT, client=client, expected=f"at most {branch.base}")
    return max(below)


def _height(branch: Branch, asked: str, latest: int) -> int:
    first = branch.base + 1
    number = {FIRST: first, LATEST: latest}.get(asked, int(asked) if asked.isdecimal() else 0)
    if not first <= number <= latest:
        raise Rejected(NO_HEIGHT, found=asked[:50], expected=f"{first} to {latest}, first or latest")
    return number


def _proto(chain: Chain, path: str) -> bytes:
    found: bytes = codec.convert(chain.get(path)["proto"], bytes)
    return found
