"""A key and its sequence on one chain: signs, submits, and keeps count so that many transactions may wait for one block."""

from meshsec_core.kernel.crypto import PrivateKey, account, address_of
from meshsec_core.kernel.types import Address, ChainId
from meshsec_core.modules.auth import WRONG_SEQUENCE
from meshsec_core.runtime.module import Msg
from meshsec_core.runtime.tx import make_tx
from meshsec_sdk import names
from meshsec_sdk.client import Client, Receipt
from meshsec_sdk.errors import OutcomeUnknown, TxRejected


class Wallet:
    """Signs for one key on one chain. The sequence is asked for once and counted from there; a wrong one is asked for again."""

    def __init__(self, client: Client, key: PrivateKey) -> None:
        status = client.status()
        self._client = client
        self._key = key
        self._chain_id = ChainId(status.chain_id)
        self._prefix = status.prefix
        self._sequence: int | None = None

    @classmethod
    def named(cls, client: Client, name: str) -> "Wallet":
        """Return the wallet of a development name such as `alice`.

        Raises:
            Rejected: `names/unknown`.
        """
        return cls(client, names.key_of(name, client.status().name))

    @property
    def address(self) -> Address:
        """The key's address on this chain."""
        return account(self._prefix, address_of(self._key.public_key))

    def sign(self, *msgs: Msg, fee: int = 0, memo: str = "") -> bytes:
        """Sign messages under the next sequence, and count it as used.

        Args:
            fee: base units of the chain's coin.
        """
        if self._sequence is None:
            self._sequence = self._client.account(self.address).next_sequence
        raw = make_tx(self._key, self._prefix, self._chain_id, self._sequence, msgs, fee=fee, memo=memo)
        self._sequence += 1
        return raw

    def send(self, *msgs: Msg, fee: int = 0, memo: str = "") -> Receipt:
        """Sign, submit, and wait for the receipt. A sequence that somebody else has used meanwhile is mended once.

        Raises:
            TxRejected: refused, or included without effect.
            OutcomeUnknown: it may or may not be included.
        """
        try:
            return self._client.include(self.sign(*msgs, fee=fee, memo=memo)).require()
        except OutcomeUnknown:
            self._sequence = None
            raise
        except TxRejected as refused:
            if refused.code != WRONG_SEQUENCE:
                self._sequence = None
                raise
        self._sequence = None
        return self._client.include(self.sign(*msgs, fee=fee, memo=memo)).require()
