"""A relayer before chains that forget their blocks."""

from meshsec_core.replica.pruning import Keep
from relay_rig import Pair, packet_names, transfer

BLOCKS = 30


def forgetful() -> Pair:
    """An open pair whose chains keep 30 blocks each from now on."""
    rig = Pair()
    rig.settle()
    for node in rig.nodes.values():
        node.replica.pruning.keep = Keep(10, BLOCKS)
    return rig


def test_clients_of_chains_that_forget_are_refreshed_while_what_they_rest_on_can_still_be_shown() -> None:
    rig = forgetful()
    for _ in range(40):
        rig.mine(3)
        rig.settle()
    assert all(node.replica.pruning.earliest > 60 for node in rig.nodes.values())
    updates = len(rig.events("juno", "update_client")) + len(rig.events("osmosis", "update_client"))
    assert 2 <= updates <= 8, "in the last 30 blocks: one for every ten or so, and no more"
    rig.restart()
    transfer(rig, 1_000)
    rig.settle()
    assert packet_names(rig.courier) == []
    assert rig.events("juno", "recv_packet")


def test_a_chain_that_keeps_all_has_no_client_refreshed_for_its_blocks() -> None:
    rig = Pair()
    rig.settle()
    before = len(rig.events("juno", "update_client"))
    for _ in range(40):
        rig.mine(3)
        rig.settle()
    assert len(rig.events("juno", "update_client")) == before


def test_a_relayer_that_was_away_says_which_blocks_it_has_missed_and_goes_on_with_those_that_stay() -> None:
    rig = forgetful()
    cursor = rig.courier.engine.chains["osmosis"].scanned
    rig.mine(BLOCKS + 5)
    rig.restart()
    rig.mine(1)
    rig.courier.run_once(rig.now)
    earliest = rig.nodes["osmosis"].replica.pruning.earliest
    (missed,) = [log.facts for log in rig.logs if log.event == "blocks-missed" and log.facts["chain"] == "osmosis"]
    assert (missed["first"], missed["last"]) == (str(cursor + 1), str(earliest - 1))
    assert rig.courier.engine.chains["osmosis"].caught_up
