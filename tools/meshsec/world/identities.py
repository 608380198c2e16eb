"""Operators who say that two validators on two chains are theirs: signed with both development keys."""

from meshsec.world.base import World
from meshsec.world.chain import Receipt
from meshsec_core.kernel import codec
from meshsec_core.kernel.types import LinkId
from meshsec_core.security.mesh.provider.overlap import LinkIdentity, identity_bytes
from meshsec_sdk import names


def join(world: World, here: str, there: str) -> Receipt:
    """Join a validator of a provider with one of a consumer, such as `osmosis/val-0` and `juno/val-2`.

    Raises:
        Rejected: `world/unknown-chain`.
        TxRejected: the provider refuses it.
    """
    (provider, own), (consumer, other) = world.validator(here), world.validator(there)
    operator, validator = names.validator_id(provider.names, own), names.validator_id(consumer.names, other)
    text = identity_bytes(provider.names.chain_id, operator, consumer.names.chain_id, validator)
    signature = names.development_key(names.consensus_path(consumer.name, other)).sign(text)
    link = next(each["link"] for each in provider.query("mesh/provider", "links") if each["consumer"] == consumer.names.chain_id)
    return provider.send(here, codec.plain(LinkIdentity(LinkId(link), validator, signature)))
