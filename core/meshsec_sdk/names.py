"""Names of development chains and the keys behind them.

Every key is derived from a fixed, public text, so that anybody can sign for anybody: never use them with real money.
"""

import re

import msgspec

from meshsec_core.kernel.crypto import PrivateKey, account, address_of, operator, sha256
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import Address, ChainId, Denom, ValidatorId

WARNING = "Development keys are public: never use them with real money."

UNKNOWN_NAME = "names/unknown"

_SEED = b"meshsec development key, never use with real money/"

USERS = ("alice", "bob", "carol", "dave", "erin")
"""Users who have coins on every development chain, under the same keys."""

FAUCET = "faucet"


class ChainName(msgspec.Struct, frozen=True):
    """What a chain is called in all the places where it has a name."""

    name: str
    """Short name: `osmosis`."""
    prefix: str
    """Bech32 prefix of account addresses: `osmo`."""
    denom: Denom
    """Base unit of the staking coin: `uosmo`."""

    @property
    def chain_id(self) -> ChainId:
        """The chain id; the number behind the dash is the IBC revision."""
        return ChainId(f"{self.name}-1")


_KNOWN = (
    "osmosis osmo uosmo;juno juno ujuno;axelar axelar uaxl;akash akash uakt;stargaze stars ustars;cosmoshub cosmos uatom;"
    "celestia celestia utia;persistence persistence uxprt;regen regen uregen;kava kava ukava;neutron neutron untrn;"
    "stride stride ustrd;sommelier somm usomm;sei sei usei;secret secret uscrt;sentinel sent udvpn;terra terra uluna;"
    "umee umee uumee;archway archway uarch;agoric agoric ubld"
)

CHAINS: tuple[ChainName, ...] = tuple(ChainName(*row.split()) for row in _KNOWN.split(";"))  # type: ignore[arg-type]
"""The chains of the topologies, in the order in which they are taken."""

CHAIN_NAME = "[a-z][a-z0-9]{1,29}"
"""How chains are named, but for `relayer`."""
VALIDATOR_NAME = "[a-z][a-z0-9-]{0,29}"
"""How validators and relayers are named."""


def is_chain_name(name: str) -> bool:
    """Tell whether a text can name a chain: 2 to 30 lower-case letters and digits, a letter first, and not `relayer`."""
    return name != "relayer" and re.fullmatch(CHAIN_NAME, name) is not None


def is_prefix(text: str) -> bool:
    """Tell whether a text can be a bech32 prefix here: 2 to 16 lower-case letters."""
    return re.fullmatch(r"[a-z]{2,16}", text) is not None


def is_denom(text: str) -> bool:
    """Tell whether a text can name a native coin: 3 to 32 lower-case letters and digits, a letter first."""
    return re.fullmatch(r"[a-z][a-z0-9]{2,31}", text) is not None


def is_validator_name(text: str) -> bool:
    """Tell whether a text can name a validator or a relayer: up to 30 lower-case letters, digits and dashes, a letter first."""
    return re.fullmatch(VALIDATOR_NAME, text) is not None


def listed(text: str) -> list[str]:
    """Return the names that a text lists, such as `val-0, val-1`."""
    return text.replace(" ", "").split(",")


def chain_name(name: str) -> ChainName:
    """Return prefix and coin of a chain; a name that is not in the list gets its letters as prefix and `u<name>` as coin."""
    for known in CHAINS:
        if known.name == name:
            return known
    return ChainName(name, "".join(letter for letter in name if letter.isalpha())[:16], Denom(f"u{name}"))


def development_key(path: str) -> PrivateKey:
    """Derive the key of a path such as `user/alice`; the same on every machine and every chain."""
    return PrivateKey(sha256(_SEED + path.encode()))


def consensus_path(chain: str, validator: str) -> str:
    """Return the path of the key with which a validator votes."""
    return f"validator/{chain}/{validator}/consensus"


def operator_path(chain: str, validator: str) -> str:
    """Return the path of the key that owns a validator and its self-bond."""
    return f"validator/{chain}/{validator}/operator"


def relayer_path(relayer: str) -> str:
    """Return the path of a relayer's key."""
    return f"relayer/{relayer}"


_VALIDATOR = re.compile(f"(?:({CHAIN_NAME})/)?({VALIDATOR_NAME})")


def key_path(alias: str, chain: str) -> str | None:
    """Return the key path behind an alias as seen from a chain, or None if it cannot be one.

    Args:
        alias: `alice`, `faucet`, `relayer/main`, `val-0` (of `chain`) or `juno/val-0`.
        chain: short name of the chain on which a bare validator name is looked up.
    """
    if alias in USERS:
        return f"user/{alias}"
    if alias == FAUCET:
        return alias
    found = _VALIDATOR.fullmatch(alias)
    if found is None or (found[1] is None and not alias.startswith("val-")):
        return None
    return alias if found[1] == "relayer" else operator_path(found[1] or chain, found[2])


def key_of(alias: str, chain: str) -> PrivateKey:
    """Return the development key behind an alias.

    Raises:
        Rejected: `names/unknown`.
    """
    path = key_path(alias, chain)
    if path is None:
        raise Rejected(UNKNOWN_NAME, name=alias[:100], known=", ".join((*USERS, FAUCET, f"{chain}/val-0")))
    return development_key(path)


def address(alias: str, chain: ChainName) -> Address:
    """Return the account address behind an alias, spelled for a chain.

    Raises:
        Rejected: `names/unknown`.
    """
    return account(chain.prefix, address_of(key_of(alias, chain.name).public_key))


def validator_id(chain: ChainName, validator: str) -> ValidatorId:
    """Return the operator address of a named validator of a chain."""
    return operator(chain.prefix, address_of(development_key(operator_path(chain.name, validator)).public_key))
