"""Who speaks for the chain itself: the governance account, as which the messages of an accepted proposal run.

It alone changes the rules of a module, by a message `<module>/SetParams` that names what is to be different.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.windows import Item
from meshsec_core.runtime.module import Ctx

AUTHORITY = "gov"
"""Module account as which the messages of a proposal run; what is sent to it, proposals can spend."""

UNAUTHORIZED = "gov/unauthorized"


def require_authority(ctx: Ctx) -> None:
    """Refuse everybody but governance: `gov/unauthorized`."""
    if ctx.signer != ctx.module_account(AUTHORITY):
        raise Rejected(UNAUTHORIZED, signer=ctx.signer, authority=ctx.module_account(AUTHORITY))


P = TypeVar("P", bound=msgspec.Struct)


class Changes(Protocol):
    """A message that changes rules."""

    @property
    def changes(self) -> Mapping[str, Any]:
        """Name of a rule to its new value as in JSON; what is not named stays."""


def set_params(ctx: Ctx, module: str, window: Item[P], msg: Changes, check: Callable[[P], None]) -> None:
    """Change some rules of a module.

    Args:
        ctx: in the name of governance.
        module: which one, for the event.
        window: where its rules lie.
        msg: what is to be different.
        check: refuses rules that cannot be.

    Raises:
        Rejected: `gov/unauthorized`, `codec/malformed` for a rule that there is not or a value of another kind, or what
            `check` refuses.
    """
    require_authority(ctx)
    before = window.get(ctx.store)
    after = codec.convert({**codec.plain(before), **msg.changes}, type(before))
    check(after)
    window.put(ctx.store, after)
    ctx.emit(f"{module}/params", **{name: getattr(after, name) for name in msg.changes})
