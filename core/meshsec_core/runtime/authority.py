"""Who speaks for the chain itself: the governance account, as which the messages of an accepted proposal run."""

from meshsec_core.kernel.errors import Rejected
from meshsec_core.runtime.module import Ctx

AUTHORITY = "gov"
"""Module account as which the messages of a proposal run; what is sent to it, proposals can spend."""

UNAUTHORIZED = "gov/unauthorized"


def require_authority(ctx: Ctx) -> None:
    """Refuse everybody but governance: `gov/unauthorized`."""
    if ctx.signer != ctx.module_account(AUTHORITY):
        raise Rejected(UNAUTHORIZED, signer=ctx.signer, authority=ctx.module_account(AUTHORITY))
