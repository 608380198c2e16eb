"""Development names inside messages and queries: `alice`, `juno/val-0`, and a partner's name where a link is meant.

What a name may stand for is read off the type of the field: addresses, validators and links have types of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshsec_core.ibc import channel, client
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import Address, LinkId, ValidatorId
from meshsec_core.kernel.wire.ibc import STATE_OPEN
from meshsec_core.runtime.module import Msg
from meshsec_core.security.model import CONSUMER_SIDE, PROVIDER_SIDE
from meshsec_sdk import names
from meshsec_sdk.by_type import read_texts
from meshsec_sdk.names import ChainName

UNKNOWN_LINK = "dev/unknown-link"

_ENDS = "ibc/channelEnds/ports/{}/channels/"


def link_port(owner: str) -> str:
    """Return the port whose channels are a module's links: `mesh-consumer` for `mesh/consumer`, `mesh-provider` for any other."""
    model, _, rest = owner.partition("/")
    return f"{model}-{CONSUMER_SIDE if rest.partition('/')[0] == CONSUMER_SIDE else PROVIDER_SIDE}"


@dataclass(frozen=True, slots=True)
class Aliases:
    """What the names of a mesh mean on one chain."""

    chain: ChainName
    mesh: Mapping[str, ChainName]
    """All chains of the mesh by short name."""

    def resolve(self, kind: Any, value: Any, store: Reader, port: str) -> Any:
        """Return what a value stands for in a field of type `kind`; what is no alias is returned as it is.

        Args:
            kind: the field's type, as written.
            value: what was given.
            store: state in which links are looked up.
            port: of the channels among which a link is looked up when a partner is named; see `link_port`.

        Raises:
            Rejected: `names/unknown`, `dev/unknown-link`.
        """
        return read_texts(kind, value, lambda field, text: self._read(field, text, store, port))

    def _read(self, kind: Any, text: str, store: Reader, port: str) -> str:
        if kind is Address:
            return self.address(text)
        if kind is ValidatorId:
            return self.validator(text)
        if kind is LinkId and not text.startswith("channel-"):
            return self.link(text, store, port)
        return text

    def message(self, spelled: Mapping[str, Any], kind: type[Msg], store: Reader, port: str) -> dict[str, Any]:
        """Return a message with every alias replaced; see `resolve`."""
        found: dict[str, Any] = self.resolve(kind, dict(spelled), store, port)
        return found

    def address(self, text: str) -> str:
        """Return the address behind a name here, or behind `juno/alice` on another chain; other texts are left as they are."""
        home, _, user = text.partition("/")
        if home in self.mesh and user in (*names.USERS, names.FAUCET):
            return names.address(user, self.mesh[home])
        if text.startswith(self.chain.prefix + "1") or names.key_path(text, self.chain.name) is None:
            return text
        return names.address(text, self.chain)

    def validator(self, text: str) -> str:
        """Return the operator address behind `val-0` (of this chain) or `juno/val-0`; other texts are returned as they are."""
        name, slash, validator = text.rpartition("/")
        if slash and name not in self.mesh:
            raise Rejected(names.UNKNOWN_NAME, name=text[:100], known=", ".join(self.mesh))
        if not slash and not text.startswith("val-"):
            return text
        return names.validator_id(self.mesh[name] if slash else self.chain, validator)

    def link(self, partner: str, store: Reader, port: str) -> str:
        """Return the open channel of a model's port to a partner chain, named by short name or chain id.

        Raises:
            Rejected: `dev/unknown-link`.
        """
        wanted = (partner, f"{partner}-1")
        prefix = _ENDS.format(port)
        for path, _ in store.scan(prefix):
            channel_id = path.removeprefix(prefix)
            end = channel.get_channel(store, port, channel_id)
            chain_id = client.client_chain_id(store, channel.client_of(store, port, channel_id))
            if chain_id in wanted and end.state == STATE_OPEN:
                return channel_id
        raise Rejected(UNKNOWN_LINK, link=partner[:100], port=port)
