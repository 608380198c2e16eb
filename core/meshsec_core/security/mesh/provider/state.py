"""What the provider keeps, and how it is read.

A link is named by its channel on this chain. A user's collateral and liens are one record; what was lent to a validator
is another; the stake on one validator of one link is pooled for rewards.
"""

from enum import StrEnum

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.store.windows import Item, Map
from meshsec_core.kernel.types import Address, ChainId, Denom, LinkId, ValidatorId
from meshsec_core.security.mesh.account import Account
from meshsec_core.security.mesh.history import History
from meshsec_core.security.mesh.links import LINK_NOT_OPEN, UNKNOWN_LINK, Phase
from meshsec_core.security.mesh.rewards import Pool, Split
from meshsec_core.security.mesh.stake import Stake

LINK_NOT_SYNCED = "mesh/link-not-synced"
RATIO_TOO_LOW = "mesh/ratio-too-low"
VALIDATOR_NOT_ACTIVE = "mesh/validator-not-active"

VAULT = "mesh/vault"
"""Module account that holds all collateral which is not staked here."""

MOST_FIELD = 2**64


class Authority(StrEnum):
    """Whose word slashes for a double sign on the consumer."""

    EVIDENCE = "evidence"
    PACKET = "packet"


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """On which terms this chain lends over a link."""

    double_sign_bps: int = 0
    """Most that one fault can cost; 0 takes the consumer's own fraction. It is the ratio of new liens."""
    downtime_bps: int = 0
    """Most that one reported downtime can cost; 0 bounds it by the ratio of the lien, like any fault."""
    unbonding_time: int = 0
    """Nanoseconds; 0 takes the consumer's own."""
    slash_authority: Authority = Authority.EVIDENCE
    correlated: bool = False
    """Whether an operator's own stake here answers for a proven fault of the same operator's validator over there."""


class ProviderGenesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules of lending on this chain. Opening a link needs nobody's approval here: users choose where they lend."""

    local_slash_bps: int = 0
    """Ratio of local liens; 0 takes this chain's own double-sign fraction."""
    slashed_to_community: bool = False
    """Collateral slashed by links goes to the community pool instead of being destroyed."""
    terms: Terms = Terms()
    """For every consumer that `links` does not name."""
    links: dict[ChainId, Terms] = {}


class Rules(msgspec.Struct, frozen=True):
    """The consumer's rules as its reports state them."""

    denom: Denom
    double_sign_bps: int
    downtime_bps: int
    unbonding_time: int
    height: int
    """Height of the report, so that an older one changes nothing."""
    harshest_bps: int
    """Largest double-sign fraction that was ever stated: evidence charges that, since a consumer (or whoever has just bought
    its governance) would else lower the fraction before it commits the fault."""


class Link(msgspec.Struct, frozen=True):
    """One consumer that this chain lends to."""

    consumer: ChainId
    """As the light client names it."""
    client: str
    connection: str
    counterparty: str
    """Channel on the consumer."""
    phase: Phase
    terms: Terms
    rules: Rules | None = None
    """None until the first report."""

    @property
    def ratio_bps(self) -> int:
        """Ratio of new liens."""
        rules = self.rules
        return self.terms.double_sign_bps or (max(rules.double_sign_bps, rules.downtime_bps) if rules else 0)

    @property
    def unbonding_time(self) -> int:
        """How long stake stays slashable after it has left, nanoseconds."""
        return self.terms.unbonding_time or (self.rules.unbonding_time if self.rules else 0)

    @property
    def covers_rules(self) -> bool:
        """Whether the ratios are not below what the consumer slashes."""
        rules = self.rules
        return rules is not None and self.ratio_bps >= max(rules.double_sign_bps, rules.downtime_bps)


class Lent(msgspec.Struct, frozen=True):
    """To whom a user has lent."""

    validators: tuple[ValidatorId, ...] = ()
    """Ascending."""


class Kind(StrEnum):
    """What a packet in flight does."""

    STAKE = "stake"
    UNSTAKE = "unstake"
    REWARDS = "rewards"


class InFlight(msgspec.Struct, frozen=True):
    """A transaction that the consumer has not answered."""

    kind: Kind
    amount: int
    cut: int = 0
    """How much of it has been slashed or cut since it left."""
    recipient: Address = Address("")
    """Of rewards."""


class FaultKind(StrEnum):
    """What a consumer's validator did."""

    DOUBLE_SIGN = "double-sign"
    DOWNTIME = "downtime"


class Fault(msgspec.Struct, frozen=True):
    """A fault that has been charged; it is never charged again."""

    kind: FaultKind
    height: int
    """Infraction height on the consumer."""
    time: int
    """Infraction time, nanoseconds."""
    charged_at: int
    """Height on this chain."""
    charged_time: int
    """Time on this chain, nanoseconds."""
    by: Authority
    amount: int
    """Provider tokens lost by all users together, propagation not counted; grows until all users have paid."""


class Sweep(msgspec.Struct, frozen=True):
    """A fault that has been charged and for which users still pay."""

    link: LinkId
    validator: ValidatorId
    fault: Fault
    ordinal: int
    """Number of this fault among those of the validator's pool."""
    ratio_e18: int
    nominal_bps: int
    reported: int
    """Provider tokens that the consumer waits to hear of."""
    after: Address = Address("")
    """The last user whom the sweep has passed."""


class Sweeps(msgspec.Struct, frozen=True):
    """All faults that are not settled, in the order of their charges: the one thing that an idle block reads."""

    active: tuple[Sweep, ...] = ()


class Overlap(msgspec.Struct, frozen=True):
    """Who runs a consumer's validator here, and with which key over there this was shown."""

    operator: ValidatorId
    address: bytes
    """Of the consensus key."""


class Policy(msgspec.Struct, frozen=True):
    """What an operator takes of the rewards of stake that is lent to its validator over there."""

    split: Split
    commission_bps: int = 0
    """Of `per-link`; the others charge what the node here charges at the time."""


class Choice(msgspec.Struct, frozen=True):
    """The policy of one operator over one link, and what is to follow it."""

    policy: Policy | None = None
    """None takes nothing."""
    then: Policy | None = None
    then_at: int = 0
    """When `then` takes the place of `policy`, nanoseconds; 0 if nothing follows."""

    def at(self, now: int) -> Policy | None:
        """Return what is in force."""
        return self.then if 0 < self.then_at <= now else self.policy


GENESIS: Item[ProviderGenesis] = Item("mesh/provider", ProviderGenesis)
LINKS: Map[Link] = Map("mesh/links", Link)
CLIENTS: Map[str] = Map("mesh/link-of-client", str)
"""Client to the link that rests on it: one at a time."""
VAULTS: Map[Account] = Map("mesh/vaults", Account, default=Account())
STAKES: Map[Stake] = Map("mesh/stakes", Stake, parts=3, default=Stake())
"""(link, validator, user)."""
LENT: Map[Lent] = Map("mesh/lent", Lent, parts=2, default=Lent())
"""(user, link): the index behind STAKES."""
POOLS: Map[Pool] = Map("mesh/pools", Pool, parts=2, default=Pool())
"""(link, validator)."""
RESERVES: Map[int] = Map("mesh/reserves", int, default=0)
"""Link to rewards that no stake has earned yet, in consumer tokens."""
RECEIVED: Map[int] = Map("mesh/rewards-received", int, default=0)
"""Link to all rewards that ever arrived."""
PAID: Map[int] = Map("mesh/rewards-paid", int, default=0)
"""Link to all rewards that have been asked for and not refused."""
TRANSACTIONS: Map[InFlight] = Map("mesh/in-flight", InFlight, parts=4)
"""(link, user, validator, id)."""
NEXT_TX: Item[int] = Item("mesh/next-tx", int, default=1)
HISTORIES: Map[History] = Map("mesh/validators", History, parts=2, default=History())
"""(link, validator)."""
KEYS: Map[str] = Map("mesh/validator-keys", str, parts=2)
"""(link, consensus address in hex) to validator."""
OVERLAPS: Map[Overlap] = Map("mesh/overlaps", Overlap, parts=2)
"""(link, validator on the consumer) to the validator here that the same operator runs."""
POLICIES: Map[Choice] = Map("mesh/reward-policies", Choice, parts=2, default=Choice())
"""(link, validator on the consumer) to what its operator takes of the rewards of those who lend to it."""
FAULTS: Map[Fault] = Map("mesh/faults", Fault, parts=3)
"""(link, validator, fault id)."""
SWEEPS: Item[Sweeps] = Item("mesh/sweeps", Sweeps, default=Sweeps())
"""There while a fault is not settled."""
LOCAL_STAKERS: Map[bool] = Map("mesh/local-stakers", bool, parts=2)
"""(validator, user): who may hold local stake there."""
OWNERS: Map[str] = Map("mesh/owners", str)
"""Sub-account to its user."""


def get_link(store: Reader, link: LinkId) -> Link:
    """Return a link.

    Raises:
        Rejected: `mesh/unknown-link`.
    """
    found = LINKS.find(store, link)
    if found is None:
        raise Rejected(UNKNOWN_LINK, link=str(link)[:100])
    return found


def open_link(store: Reader, link: LinkId) -> Link:
    """Return a link that takes new stake.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/link-not-open`.
    """
    found = get_link(store, link)
    if found.phase is not Phase.OPEN:
        raise Rejected(LINK_NOT_OPEN, link=link, phase=found.phase)
    return found


def live_link(store: Reader, link: LinkId) -> Link:
    """Return a link that packets can pass.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/link-not-open`.
    """
    found = get_link(store, link)
    if not found.phase.is_live:
        raise Rejected(LINK_NOT_OPEN, link=link, phase=found.phase)
    return found


def validators_of(store: Reader, user: Address, link: LinkId) -> tuple[ValidatorId, ...]:
    """Return the validators of a link that a user has a record with, ascending."""
    return LENT.get(store, user, link).validators


def stakes_of(store: Reader, user: Address, link: LinkId) -> dict[str, Stake]:
    """Return a user's stakes on a link by validator, ascending."""
    return {validator: STAKES.get(store, link, validator, user) for validator in validators_of(store, user, link)}
