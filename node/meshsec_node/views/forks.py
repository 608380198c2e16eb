"""Orders of a development chain that make other futures of it, and set balances as far as the law of the place allows.

On a chain coins come from the faucet's account or go there, signed for by a development key: no coin appears or vanishes. On a
branch the state itself is forged, and whoever makes the branch signs that.
"""

import msgspec

from meshsec_core.app import Forgery
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import Address, Denom
from meshsec_core.modules import bank
from meshsec_node.views.faults import own_name
from meshsec_node.views.routes import Node, Reply, Request
from meshsec_node.views.txs import compose, put
from meshsec_sdk import names
from meshsec_sdk.problems import read_body

BRANCH_EXISTS = "branch/exists"
BAD_NAME = "branch/bad-name"
NO_BRANCH = "branch/not-found"
OF_BRANCH = "branch/of-a-branch"
NOT_A_NAME = "dev/not-a-name"


class Fork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `fork`."""

    validators: tuple[str, ...]
    """Who signs on both sides."""
    name: str = "fork"
    """Of the branch: it is served under `/branches/<name>`."""
    late: bool = False
    """Let nobody propose in round 0 of its first block, so that another round decides it."""


class EndFork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `end-fork`."""

    name: str


class SetBalance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `set-balance`."""

    address: str
    """A development name; on a branch, or if the account gets more, also an address."""
    amount: int
    """Base units that it is to hold."""
    denom: str = ""
    """The chain's own coin by default."""


class Branch(msgspec.Struct, frozen=True):
    """A branch, as it is shown."""

    name: str
    path: str
    base: int
    height: int
    validators: tuple[str, ...]


def fork(node: Node, request: Request) -> Reply:
    """Begin another future of this chain, made by these validators without regard to what they sign here.

    It begins behind the last block and makes blocks when the chain does. With more than two thirds of the power both sides go on.
    """
    asked = read_body(request.body, Fork)
    if node.base is not None:
        raise Rejected(OF_BRANCH, name=asked.name[:100])
    if not names.is_validator_name(asked.name):
        raise Rejected(BAD_NAME, name=asked.name[:100], expected="lower-case letters, digits and dashes")
    if asked.name in node.branches:
        raise Rejected(BRANCH_EXISTS, name=asked.name)
    node.fork(asked.name, [own_name(node, validator) for validator in asked.validators], late=asked.late)
    return Reply(_shown(node, asked.name))


def end_fork(node: Node, request: Request) -> Reply:
    """Forget a branch; whoever has believed it goes on to do so."""
    asked = read_body(request.body, EndFork)
    find_branch(node, asked.name)
    node.end_fork(asked.name)
    return Reply({"ended": asked.name})


def branches(node: Node, request: Request) -> Reply:  # noqa: ARG001
    """Show the other futures of this chain."""
    return Reply({"branches": [_shown(node, name) for name in node.branches]})


def find_branch(node: Node, name: str) -> Node:
    """Return a branch.

    Raises:
        Rejected: `branch/not-found`.
    """
    if name not in node.branches:
        raise Rejected(NO_BRANCH, branch=name[:100], known=", ".join(node.branches))
    return node.branches[name]


def set_balance(node: Node, request: Request) -> Reply:
    """Let an account hold so much: by a transfer from or to the faucet, or on a branch by forging the state.

    The next block does it: 202, on a chain with the hash of the transfer; 200 if the account holds that already.
    """
    asked = read_body(request.body, SetBalance)
    address = Address(node.aliases.address(asked.address))
    denom = Denom(asked.denom or node.replica.genesis.denom)
    if not 0 <= asked.amount <= bank.MAX_AMOUNT:
        raise Rejected(bank.BAD_AMOUNT, amount=str(asked.amount)[:50])
    lacks = asked.amount - bank.balance(node.replica.state, address, denom)
    said = {"height": node.replica.height}
    if node.base is not None:
        node.forge(Forgery(address, denom, asked.amount))
        return Reply(said, 202)
    if lacks == 0:
        return Reply(said)
    giver, taker = (names.FAUCET, asked.address) if lacks > 0 else (asked.address, names.FAUCET)
    if names.key_path(giver, node.aliases.chain.name) is None:
        raise Rejected(NOT_A_NAME, found=giver[:100], known=", ".join(names.USERS))
    transfer = {"@type": "bank/Send", "to": taker, "denom": denom, "amount": str(abs(lacks))}
    found = put(node, compose(node, codec.encode({"from": giver, "msgs": [transfer]})))
    return Reply({"hash": found.hex(), **said}, 202)


def _shown(node: Node, name: str) -> Branch:
    branch = node.branches[name]
    voters = tuple(voter.name for voter in branch.replica.voters)
    return Branch(name, f"/branches/{name}", branch.base or 0, branch.replica.height, voters)
