"""What a validator that signs twice signs beside the true thing."""

from msgspec.structs import replace

from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.wire.tendermint import Block, BlockId, PartSetHeader


def rival_block(block: Block, validators: ValidatorSet) -> Block:
    """Return another valid block: the same in the name of the next validator of the set, if there is one."""
    addresses = validators.roster.addresses
    position = validators.index_of(block.header.proposer_address) or 0
    return replace(block, header=replace(block.header, proposer_address=addresses[(position + 1) % len(addresses)]))


def rival_id(block: BlockId) -> BlockId:
    """Return the id of a block that nobody has made."""
    return BlockId(sha256(b"equivocation" + block.hash), PartSetHeader(1, sha256(b"parts" + block.hash)))
