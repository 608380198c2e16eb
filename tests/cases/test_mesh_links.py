"""How a link opens, who may open it, and what happens to packets when the way is blocked."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from harness import Chain
from mesh_faults import downtime
from mesh_rig import Link, MeshRig, account, pair, refused, star, terms
from meshsec_core.ibc import client
from meshsec_core.ibc.channel import ChannelCloseInit
from meshsec_core.ibc.connection import ORDERED, UNORDERED
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import Height
from meshsec_core.security.mesh.consumer.governance import CloseLink, OpenLink
from meshsec_core.security.mesh.consumer.state import LinkParams
from meshsec_core.security.mesh.links import KEPT
from meshsec_core.security.mesh.packets import CONSUMER_PORT, PROVIDER_PORT, Done, read_answer
from meshsec_core.security.mesh.provider.lending import StakeRemote
from meshsec_core.security.mesh.provider.state import LINKS
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.ranges import Range

VERSION = '{"protocol":"mesh-security","version":"1.0.0"}'


def code_of(act: Any, *arguments: Any) -> str:
    with pytest.raises(Rejected) as refusal:
        act(*arguments)
    return refusal.value.code


def ports(chain: Chain) -> tuple[Any, Any]:
    return chain.machine.ports[PROVIDER_PORT], chain.machine.ports[CONSUMER_PORT]


def unlinked(**consumer: Any) -> tuple[Chain, Chain, str, str]:
    """Start two chains that are connected and not linked; return them and their connections."""
    rig = MeshRig()
    osmo = rig.add("osmo", alice=1_000)
    juno = rig.add("juno", genesis={"mesh/consumer": consumer or {"links": {"osmo-1": terms()}}}, alice=1_000)
    return osmo, juno, rig._connect(osmo, juno), rig._connect(juno, osmo)


@pytest.mark.parametrize(
    ("ordering", "port", "version", "code"),
    [
        (ORDERED, PROVIDER_PORT, "", "mesh/not-unordered"),
        (UNORDERED, "transfer", "", "mesh/wrong-port"),
        (UNORDERED, PROVIDER_PORT, "ics20-1", "mesh/invalid-version"),
        (UNORDERED, PROVIDER_PORT, VERSION.replace("1.0.0", "0.9.0"), "mesh/version-too-old"),
        (UNORDERED, PROVIDER_PORT, VERSION.replace("1.0.0", "2.0.0"), "mesh/version-too-new"),
    ],
)
def test_a_consumer_proposes_only_what_both_ends_can_speak(ordering: str, port: str, version: str, code: str) -> None:
    _, juno, _, connection = unlinked()
    _, consumer = ports(juno)
    assert code_of(consumer.on_open_init, juno.ctx, ordering, connection, CONSUMER_PORT, "channel-0", port, version) == code
    opened = consumer.on_open_init(juno.ctx, UNORDERED, connection, CONSUMER_PORT, "channel-0", PROVIDER_PORT, "")
    assert opened == VERSION


@pytest.mark.parametrize(
    "section", [{"links": {}}, {"links": {"axelar-1": terms()}}, {"links": {"osmo-1": terms(connection="connection-7")}}]
)
def test_only_a_provider_that_was_admitted_is_linked(section: dict[str, Any]) -> None:
    _, juno, _, connection = unlinked(**section)
    _, consumer = ports(juno)
    opening = (juno.ctx, UNORDERED, connection, CONSUMER_PORT, "channel-0", PROVIDER_PORT, "")
    assert code_of(consumer.on_open_init, *opening) == "mesh/not-admitted"
    juno.send(juno.ctx.module_account("gov"), OpenLink("osmo-1", LinkParams(max_cap=1)))  # type: ignore[arg-type]
    assert consumer.on_open_init(*opening) == VERSION


def test_a_provider_answers_any_consumer_and_proposes_to_none() -> None:
    osmo, _, connection, _ = unlinked()
    provider, _ = ports(osmo)
    opening = (osmo.ctx, UNORDERED, connection, PROVIDER_PORT, "channel-0", CONSUMER_PORT)
    assert code_of(provider.on_open_init, *opening, "") == "mesh/open-init-disallowed"
    assert code_of(provider.on_open_ack, osmo.ctx, PROVIDER_PORT, "channel-0", "channel-1", "") == "mesh/open-ack-disallowed"
    assert code_of(provider.on_open_try, osmo.ctx, ORDERED, *opening[2:], "channel-1", VERSION) == "mesh/not-unordered"
    assert code_of(provider.on_open_try, *opening[:-1], "transfer", "channel-1", VERSION) == "mesh/wrong-port"
    assert code_of(provider.on_open_try, *opening, "channel-1", "") == "mesh/invalid-version"
    assert provider.on_open_try(*opening, "channel-1", VERSION) == VERSION


def test_the_other_steps_of_a_handshake_are_refused_by_the_wrong_end() -> None:
    _, juno, _, connection = unlinked()
    _, consumer = ports(juno)
    trying = (juno.ctx, UNORDERED, connection, CONSUMER_PORT, "channel-0", PROVIDER_PORT, "channel-1", VERSION)
    assert code_of(consumer.on_open_try, *trying) == "mesh/open-try-disallowed"
    assert code_of(consumer.on_open_confirm, juno.ctx, CONSUMER_PORT, "channel-0") == "mesh/open-confirm-disallowed"


def test_a_second_link_between_the_same_chains_is_refused_at_both_ends() -> None:
    rig, link = pair()
    osmo, juno = link.provider, link.consumer
    connection = osmo.query("mesh/provider/link", link=link.lent).connection
    trying = (osmo.ctx, UNORDERED, connection, PROVIDER_PORT, "channel-9", CONSUMER_PORT, "channel-9", VERSION)
    assert code_of(ports(osmo)[0].on_open_try, *trying) == "mesh/link-exists"
    connection = juno.query("mesh/consumer/link", link=link.link).connection
    opening = (juno.ctx, UNORDERED, connection, CONSUMER_PORT, "channel-9", PROVIDER_PORT, "")
    assert code_of(ports(juno)[1].on_open_init, *opening) == "mesh/already-linked"
    rig.settle()


def test_of_two_handshakes_at_once_the_first_to_finish_wins() -> None:
    osmo, juno, there, here = unlinked()
    provider, consumer = ports(osmo)[0], ports(juno)[1]
    for channel in ("channel-0", "channel-1"):
        consumer.on_open_init(juno.ctx, UNORDERED, here, CONSUMER_PORT, channel, PROVIDER_PORT, "")
        provider.on_open_try(osmo.ctx, UNORDERED, there, PROVIDER_PORT, channel, CONSUMER_PORT, channel, VERSION)
    provider.on_open_confirm(osmo.ctx, PROVIDER_PORT, "channel-1")
    assert code_of(provider.on_open_confirm, osmo.ctx, PROVIDER_PORT, "channel-0") == "mesh/link-exists"


def test_nobody_can_close_a_link_under_the_users_feet() -> None:
    _, link = pair()
    for chain, port, channel in (
        (link.provider, PROVIDER_PORT, link.lent),
        (link.consumer, CONSUMER_PORT, link.link),
    ):
        assert code_of(chain.send, "alice", ChannelCloseInit(port, channel)) == "mesh/not-unwound"
        assert code_of(chain.send, "alice", CloseLink(channel)) == "gov/unauthorized"


def freeze(chain: Chain, name: str) -> None:
    """Freeze a chain's client."""
    client.CLIENTS.put(chain.state, name, replace(client.CLIENTS.get(chain.state, name), frozen_height=Height(0, 1)))


def thaw(chain: Chain, name: str) -> None:
    client.CLIENTS.put(chain.state, name, replace(client.CLIENTS.get(chain.state, name), frozen_height=Height()))


def client_of(link: Link) -> str:
    return str(LINKS.get(link.provider.state, link.lent).client)


def test_a_slash_never_fails_because_another_link_is_blocked_and_its_burn_leaves_later() -> None:
    """Given alice lends all of 100 to juno and to axelar, and the client of axelar is frozen
    When juno/val-0 is slashed, which cuts what she lends to axelar
    Then the slash holds, and axelar hears of the cut once the client lives again
    """
    rig, (x, y) = star("juno", "axelar", alice=100, bob=10)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(100))
    osmo.send("bob", Bond(10))
    for link in (x, y):
        osmo.send("alice", StakeRemote(link.lent, link.validator(0), 100))
    rig.settle()
    freeze(osmo, client_of(y))
    downtime(x.consumer, 0)
    rig.block(2)
    rig.relay()
    assert (account(osmo, "alice").collateral, y.range("alice", 0), y.virtual()) == (90, Range.of(90), 100)
    assert len(list(KEPT.items(osmo.state, PROVIDER_PORT, y.lent))) == 1
    with refused(osmo, "ibc/client-not-active"):
        osmo.send("bob", StakeRemote(y.lent, y.validator(1), 1))
    thaw(osmo, client_of(y))
    downtime(y.consumer, 3)
    rig.settle()
    assert y.virtual() == 90
    assert list(KEPT.items(osmo.state, PROVIDER_PORT, y.lent)) == []


def test_a_report_that_cannot_leave_is_kept_and_leaves_before_the_next_one() -> None:
    rig, link = pair(alice=1_000)
    juno = link.consumer
    link.provider.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), 1_000))
    rig.settle()
    name = juno.query("mesh/consumer/link", link=link.link).client
    freeze(juno, name)
    downtime(juno, 0)
    rig.block(2)
    assert rig.collect() == []
    thaw(juno, name)
    downtime(juno, 1)
    rig.block()
    jailed = [json.loads(flight.packet.data)["jailed"] for flight in rig.collect()]
    assert jailed == [[link.validator(0)], [link.validator(1)]]
    rig.settle()
    assert (link.range("alice", 0), link.virtual(0)) == (Range.of(900), 900)


def test_a_report_that_times_out_is_sent_again_and_charged_once() -> None:
    rig, link = pair(alice=1_000)
    link.provider.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), 1_000))
    rig.settle()
    downtime(link.consumer, 0)
    rig.block(2)
    assert rig.flight("valset_update")
    rig.advance(86_401)
    rig.settle()
    assert (link.range("alice", 0), link.virtual(0)) == (Range.of(900), 900)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"@type":"steal"}', b"\xff", b'{"@type":"burn"}'])
def test_packets_that_cannot_be_read_are_refused(data: bytes) -> None:
    rig, link = pair()
    link.provider.send("alice", Bond(10), StakeRemote(link.lent, link.validator(0), 10))
    flight = rig.flight("stake")
    for chain, port in ((link.consumer, ports(link.consumer)[1]), (link.provider, ports(link.provider)[0])):
        packet = replace(flight.packet, data=data, destination_channel=link.link)
        assert code_of(port.on_receive, chain.ctx, packet) == "mesh/bad-packet"


@pytest.mark.parametrize(
    "answer", [b"", b"{}", b"\xff", b'{"error":"x"}', b'{"result":"!"}', b'{"result":"bnVsbA=="}', b"[" * 9_999]
)
def test_an_answer_that_cannot_be_read_counts_as_a_refusal(answer: bytes) -> None:
    assert read_answer(answer, Done) is None


def test_an_answer_of_success_may_say_more_than_we_know() -> None:
    assert read_answer(b'{"result":"eyJtb3JlIjoiMSJ9"}', Done) == Done()
