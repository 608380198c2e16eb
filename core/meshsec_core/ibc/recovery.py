"""ICS-02 recovery: governance revives a client that is frozen or expired with what a live client knows.

Whoever wants to recover a client creates a substitute for the same chain, which anybody may do; stakers judge by their vote
whether it follows the right one. The subject keeps its id, and with it every connection and channel that rests on it.

Source: ibc-go modules/core/02-client/keeper (RecoverClient), modules/light-clients/07-tendermint/proposal_handle.go.
"""

from msgspec.structs import replace

from meshsec_core.ibc import client
from meshsec_core.ibc.client import CLIENT_TYPE, CLIENTS
from meshsec_core.ibc.tendermint import Status
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import ClientState, Height
from meshsec_core.runtime.authority import require_authority
from meshsec_core.runtime.module import Ctx, Handler, Msg

CLIENT_ACTIVE = "ibc/client-active"
SUBSTITUTE_DIFFERS = "ibc/substitute-differs"
SUBSTITUTE_NOT_AHEAD = "ibc/substitute-not-ahead"

MAY_DIFFER = ("chain_id", "trusting_period", "frozen_height", "latest_height")
"""What the subject takes over from its substitute; all else must be equal already."""


class RecoverClient(Msg, frozen=True, tag="ibc/RecoverClient"):
    """Revive a client that is frozen or expired; governance alone may."""

    subject: str
    """The client that is revived."""
    substitute: str
    """A live client of the same chain, further ahead."""


def recover_client(ctx: Ctx, msg: RecoverClient) -> None:
    """Give the subject the substitute's newest state, chain id and trusting period, and unfreeze it.

    Raises:
        Rejected: `gov/unauthorized`, `ibc/unknown-client`; `ibc/client-active` if the subject needs no help,
            `ibc/client-not-active` if the substitute cannot give any, `ibc/substitute-differs` with the field,
            `ibc/substitute-not-ahead`.
    """
    require_authority(ctx)
    subject, substitute = client.get_client(ctx.store, msg.subject), client.get_client(ctx.store, msg.substitute)
    if client.status(ctx.store, msg.subject, ctx.time) is Status.ACTIVE:
        raise Rejected(CLIENT_ACTIVE, client=msg.subject)
    height, _ = client.require_active(ctx, msg.substitute)
    _check_fit(subject, substitute)
    client.remember(ctx, msg.subject, height, client.consensus_state(ctx.store, msg.substitute, height))
    CLIENTS.put(
        ctx.store,
        msg.subject,
        replace(
            subject,
            chain_id=substitute.chain_id,
            trusting_period=substitute.trusting_period,
            frozen_height=Height(),
            latest_height=height,
        ),
    )
    ctx.emit("recover_client", subject_client_id=msg.subject, client_type=CLIENT_TYPE, substitute_client_id=msg.substitute)
    ctx.emit("message", module="ibc_client")


def _check_fit(subject: ClientState, substitute: ClientState) -> None:
    for field in ClientState.__struct_fields__:
        if field not in MAY_DIFFER and getattr(subject, field) != getattr(substitute, field):
            raise Rejected(SUBSTITUTE_DIFFERS, field=field)
    if subject.latest_height >= substitute.latest_height:
        raise Rejected(SUBSTITUTE_NOT_AHEAD, subject=str(subject.latest_height), substitute=str(substitute.latest_height))


HANDLERS: dict[type[Msg], Handler] = {RecoverClient: recover_client}
