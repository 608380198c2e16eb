"""How the relayer brings a light client to a height: few headers, all of them ones that the client believes."""

import msgspec
import pytest

from ibc_rig import DAY, TRUSTING_PERIOD, IbcChain, Rig
from meshsec_core.ibc import client as ibc_client
from meshsec_core.ibc.client import UpdateClient
from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.ibc import Height
from meshsec_relayer.engine.client import LightClient, TrustParams, creation
from scripted import SILENCE, Answers, chain_of, finish, look, serve


class Keeper:
    """The relayer's view of juno's client of osmo, both real."""

    def __init__(self, rig: Rig | None = None) -> None:
        self.rig = rig or Rig()
        self.osmo, self.juno = self.rig.a, self.rig.b
        self.rig.create_client(self.juno)
        self.subject, self.host = chain_of(self.osmo, "osmosis"), chain_of(self.juno, "juno")
        self.answers: Answers = serve(osmosis=self.osmo, juno=self.juno)
        self.client = LightClient(self.host, self.subject, self.rig.end(self.juno).client)

    def pass_blocks(self, count: int, step: int = SECOND) -> None:
        for _ in range(count):
            self.osmo.block(step)
            self.juno.block(step)
        look(self.subject, self.osmo)
        look(self.host, self.juno)

    def reach(self, height: int) -> tuple[int, tuple[UpdateClient, ...]]:
        return finish(self.client.reach(height), self.answers)

    def show(self, updates: tuple[UpdateClient, ...]) -> Height:
        """Submit updates to juno, which verifies them; return how far its client has come."""
        for update in updates:
            self.juno.send("relayer", update)
        return self.rig.latest(self.juno)


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


def test_a_height_that_is_known_needs_no_update(keeper: Keeper) -> None:
    keeper.pass_blocks(5)
    known = keeper.rig.latest(keeper.juno).height
    assert keeper.reach(known) == (known, ())
    assert keeper.reach(known - 1) == (known, ())


def test_one_header_is_enough_while_the_validators_stay(keeper: Keeper) -> None:
    keeper.pass_blocks(40)
    height, updates = keeper.reach(keeper.osmo.ctx.height - 3)
    assert (height, len(updates)) == (keeper.osmo.ctx.height, 1)
    assert keeper.show(updates) == Height(1, height)
    assert keeper.reach(height) == (height, ())


def test_the_next_height_needs_no_validator_that_is_known(keeper: Keeper) -> None:
    """Given every validator but new ones leaves from one height to the next, which the last header has announced."""
    keeper.osmo.set_powers((0, 0), (1, 0), (2, 0), (3, 0), (4, 10), (5, 10), (6, 10))
    keeper.pass_blocks(1)
    keeper.show(keeper.reach(keeper.osmo.ctx.height)[1])
    keeper.pass_blocks(1)
    height, updates = keeper.reach(keeper.osmo.ctx.height)
    assert len(updates) == 1
    assert keeper.show(updates) == Height(1, height)


def test_a_set_that_has_changed_altogether_is_reached_by_halves(keeper: Keeper) -> None:
    """Given validators that are replaced one by one, until nobody is left whom the client knows."""
    for old, new in ((0, 4), (1, 5), (2, 6), (3, 7)):
        keeper.osmo.set_powers((old, 0), (new, 10))
        keeper.pass_blocks(4)
    height, updates = keeper.reach(keeper.osmo.ctx.height)
    assert height == keeper.osmo.ctx.height
    assert 2 <= len(updates) <= 4
    assert keeper.show(updates) == Height(1, height)


def test_updates_that_could_not_be_put_together_are_forgotten(keeper: Keeper) -> None:
    keeper.pass_blocks(3)
    good, target = keeper.answers, keeper.osmo.ctx.height
    keeper.reach(keeper.rig.latest(keeper.juno).height)
    keeper.answers = lambda request: SILENCE if request.path.startswith("/v1/commits") else good(request)
    with pytest.raises(Rejected) as refused:
        keeper.reach(target)
    assert refused.value.code == "relayer/unreachable"
    assert keeper.client.stale
    keeper.answers = good
    height, updates = keeper.reach(target)
    assert (height, len(updates)) == (target, 1)
    assert keeper.show(updates) == Height(1, target)


def test_a_proof_that_the_node_may_soon_forget_is_made_at_a_newer_height(keeper: Keeper) -> None:
    keeper.pass_blocks(60)
    known = keeper.rig.latest(keeper.juno).height
    assert keeper.reach(known)[0] == known
    keeper.subject.earliest_state = 5
    assert keeper.reach(known)[0] == keeper.osmo.ctx.height


def test_a_header_of_the_past_is_believed_through_the_next_one_known_below_it(keeper: Keeper) -> None:
    keeper.pass_blocks(10)
    past = keeper.osmo.ctx.height - 4
    keeper.show(keeper.reach(keeper.osmo.ctx.height)[1])
    found = finish(keeper.client.past_header(past), keeper.answers)
    assert (found.updates, found.header.signed_header.header.height) == ((), past)
    ibc_client.verify_header(keeper.juno.ctx, keeper.client.id, found.header)


def test_a_header_of_the_past_rests_on_no_height_at_which_the_client_was_lied_to(keeper: Keeper) -> None:
    trusted = keeper.rig.latest(keeper.juno)
    keeper.pass_blocks(3)
    lie = keeper.osmo.client_header(trusted, change=lambda header: msgspec.structs.replace(header, app_hash=sha256(b"fork")))
    keeper.show((keeper.client.update(lie),))
    keeper.pass_blocks(3)
    found = finish(keeper.client.past_header(keeper.osmo.ctx.height), keeper.answers)
    assert found.common == trusted.height
    ibc_client.verify_header(keeper.juno.ctx, keeper.client.id, found.header)


def test_a_header_from_before_the_client_is_said_to_be_out_of_reach(keeper: Keeper) -> None:
    first = keeper.rig.latest(keeper.juno).height
    with pytest.raises(Rejected) as refused:
        finish(keeper.client.past_header(first), keeper.answers)
    assert refused.value.code == "relayer/client-too-young"


@pytest.mark.parametrize(("days", "due"), [(4, False), (5, True), (13, True)])
def test_a_refresh_is_due_when_a_third_of_the_trusting_period_has_passed(keeper: Keeper, days: int, due: bool) -> None:
    assert TRUSTING_PERIOD == 14 * DAY
    finish(keeper.client.read(), keeper.answers)
    keeper.pass_blocks(1, days * DAY)
    assert keeper.client.refresh_due is due


def test_a_refresh_needs_a_header_to_learn(keeper: Keeper) -> None:
    finish(keeper.client.read(), keeper.answers)
    keeper.subject.height = keeper.client.latest
    keeper.host.time += 10 * DAY
    assert not keeper.client.refresh_due


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda keeper: keeper.pass_blocks(1, 15 * DAY), "relayer/client-expired"),
        (lambda keeper: setattr(keeper.client, "id", "07-tendermint-7"), "relayer/client-gone"),
        (lambda keeper: _freeze(keeper), "relayer/client-frozen"),
    ],
)
def test_a_client_that_cannot_be_used_says_why(keeper: Keeper, spoil: object, code: str) -> None:
    assert callable(spoil)
    spoil(keeper)
    with pytest.raises(Rejected) as refused:
        finish(keeper.client.read(), keeper.answers)
    assert refused.value.code == code


def _freeze(keeper: Keeper) -> None:
    """Show the client a header that conflicts with one it knows."""
    keeper.pass_blocks(1)
    trusted = keeper.rig.latest(keeper.juno)
    keeper.show(keeper.reach(keeper.osmo.ctx.height)[1])
    other = keeper.osmo.client_header(trusted, change=lambda header: msgspec.structs.replace(header, app_hash=sha256(b"fork")))
    keeper.juno.send("relayer", keeper.client.update(other))


def test_a_client_that_somebody_started_from_a_lie_is_not_honest(keeper: Keeper) -> None:
    assert finish(keeper.client.honest(), keeper.answers)
    lie = msgspec.structs.replace(keeper.osmo.consensus_state(), root=sha256(b"lie"))
    keeper.juno.send("relayer", ibc_client.CreateClient(*_spelled(keeper.osmo, lie)))
    liar = LightClient(keeper.host, keeper.subject, "07-tendermint-1")
    assert not finish(liar.honest(), keeper.answers)


def _spelled(chain: IbcChain, consensus: object) -> tuple[bytes, bytes]:
    return ibc_client.CLIENTS.encode(chain.client_state()), ibc_client.CONSENSUS_STATES.encode(consensus)  # type: ignore[arg-type]


def test_a_client_is_created_with_the_rules_that_were_asked_for_from_the_tip(keeper: Keeper) -> None:
    params = TrustParams(trusting_period=DAY, unbonding_period=2 * DAY, max_clock_drift=SECOND, trust_numerator=2)
    keeper.juno.send("relayer", finish(creation(keeper.subject, params), keeper.answers))
    state = ibc_client.get_client(keeper.juno.ctx.store, "07-tendermint-1")
    assert params.matches(state)
    assert not TrustParams().matches(state)
    assert state.latest_height == Height(1, keeper.osmo.ctx.height)
    newest = ibc_client.consensus_state(keeper.juno.ctx.store, "07-tendermint-1", state.latest_height)
    assert newest == keeper.osmo.consensus_state()
