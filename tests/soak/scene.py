"""One action as numbers, and what the numbers mean where it is done."""

from dataclasses import dataclass
from typing import NamedTuple

from harness import Chain
from mesh_rig import Link, MeshRig
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ValidatorId
from meshsec_core.modules.staking import state as staking
from meshsec_core.security.mesh.provider.local_stake import sub_account
from soak.meshes import USERS

NOTHING_TO_DO = "soak/nothing-to-do"

GOV = "gov"
"""Stands for the account of a chain's governance where a user is named."""


class Step(NamedTuple):
    """One action; numbers are taken modulo what there is to choose from."""

    kind: str
    link: int
    user: int
    pick: int
    amount: int


@dataclass
class Mesh:
    """A mesh under test."""

    rig: MeshRig
    links: list[Link]
    """The newest between each two chains."""
    feeds: dict[tuple[str, str], str]
    """(asker, market) to the channel that brings prices."""
    past: dict[tuple[str, str], list[Link]]
    """(provider, consumer) to the links that are closed."""


@dataclass(frozen=True)
class Scene:
    """Where an action takes place."""

    mesh: Mesh
    link: Link
    user: str
    pick: int
    amount: int

    @property
    def home(self) -> Chain:
        """The lending chain."""
        return self.link.provider

    @property
    def abroad(self) -> Chain:
        """The borrowing chain."""
        return self.link.consumer

    @property
    def there(self) -> ValidatorId:
        """A validator of the borrowing chain."""
        return self.abroad.validator(self.index(self.abroad))

    @property
    def here(self) -> ValidatorId:
        """A validator of the lending chain."""
        return self.home.validator(self.index(self.home))

    @property
    def chosen(self) -> int:
        """A validator of the borrowing chain to whom the user has lent, or any if there is none."""
        lent = [index for index in range(len(self.abroad.bonds)) if self.link.range(self.user, index).low]
        return lent[self.amount % len(lent)] if lent else self.index(self.abroad)

    @property
    def lent(self) -> tuple[ValidatorId, int]:
        """Something that the user has lent, to whom: all of it, or a part."""
        low = self.link.range(self.user, self.chosen).low
        return self.abroad.validator(self.chosen), low if self.pick % 3 == 0 else min(self.amount, low)

    def staked(self, owner: str) -> tuple[ValidatorId, int]:
        """Return something that an account has delegated on the lending chain, with whom: all of it, or a part."""
        held = sorted(staking.delegations_of(self.home.state, self.home.address(owner)).items())
        validator, tokens = held[self.amount % len(held)] if held else (self.here, 0)
        return validator, tokens if self.pick % 3 == 0 else min(self.amount, tokens)

    @property
    def staked_locally(self) -> tuple[ValidatorId, int]:
        """Something of the user's local stake."""
        return self.staked(sub_account(self.home.prefix, self.home.address(self.user)))

    @property
    def old_link(self) -> Link:
        """The link, or in a third of all cases one that came before it, if there is one."""
        past = self.mesh.past.get((self.home.prefix, self.abroad.prefix))
        return past[self.pick % len(past)] if past and self.pick % 3 == 0 else self.link

    def index(self, chain: Chain) -> int:
        """Choose a validator of a chain."""
        return self.amount % len(chain.bonds)


def scene(mesh: Mesh, step: Step) -> Scene:
    """Give a step's numbers their meaning."""
    link = mesh.links[step.link % len(mesh.links)]
    return Scene(mesh, link, USERS[step.user % len(USERS)], step.pick, step.amount)


def bonded(chain: Chain) -> int:
    """Return how many validators sign."""
    return len(staking.active_set(chain.state))


def nothing() -> Rejected:
    """Say that there is nothing to do."""
    return Rejected(NOTHING_TO_DO)
