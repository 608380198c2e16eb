"""A recorded CometBFT 0.38 chain: its commits stand here, its times are our medians, its headers convince our light client."""

from base64 import b64decode
from itertools import pairwise

from comet import read_block, read_duplicate_vote
from meshsec_core.consensus import light
from meshsec_core.consensus.commits import median_time, verify_commit
from meshsec_core.consensus.evidence import make_duplicate_vote
from meshsec_core.consensus.light import Rules, TrustedState, Untrusted
from meshsec_core.consensus.validators import Roster, ValidatorSet
from meshsec_core.kernel.crypto import verify
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.tendermint import Block, SignedHeader
from support import load_vectors

DAY = 86_400 * SECOND


def genesis_set() -> ValidatorSet:
    members = load_vectors("rpc_v0_38", "incoming", "genesis.json")["result"]["genesis"]["validators"]
    return ValidatorSet.genesis((b64decode(one["pub_key"]["value"]), int(one["power"])) for one in members)


def recorded_blocks() -> list[Block]:
    return [
        read_block(entry["block"]) for entry in load_vectors("rpc_v0_38", "incoming", "block_search.json")["result"]["blocks"]
    ]


def test_every_recorded_commit_stands_and_its_median_is_the_time_of_the_block_that_carries_it() -> None:
    validators = genesis_set()
    blocks = recorded_blocks()

    for block in blocks:
        header, commit = block.header, block.last_commit
        assert header.validators_hash == validators.hash
        assert header.proposer_address == validators.proposer.address
        verify_commit(header.chain_id, validators, header.last_block_id, header.height - 1, commit, verify)
        assert median_time(commit, validators) == header.time
    assert len(blocks) == 45


def test_the_light_client_follows_the_recorded_headers_one_by_one_and_in_one_leap() -> None:
    validators, blocks = genesis_set(), recorded_blocks()
    headers = [SignedHeader(block.header, after.last_commit) for block, after in pairwise(blocks)]
    rules = Rules(headers[0].header.chain_id, DAY, SECOND)
    now = headers[-1].header.time

    for before, signed in [*pairwise(headers), (headers[0], headers[-1])]:
        known = before.header
        trusted = TrustedState(known.height, known.time, known.next_validators_hash)
        light.verify(trusted, Untrusted(signed, validators), validators, rules, now, verify)


def test_evidence_recorded_on_a_real_chain_is_what_we_make_of_its_votes() -> None:
    """Its key was not recorded, so signatures are not checked here; order, powers and time are."""
    blocks = load_vectors("rpc_v0_38", "incoming", "block_search_evidence.json")["result"]["blocks"]
    recorded = read_duplicate_vote(blocks[0]["block"]["evidence"]["evidence"][0]["value"])
    offender = (recorded.vote_a.address, bytes(32), recorded.validator_power)
    others = (b"others".ljust(20), bytes(32), recorded.total_power - recorded.validator_power)
    validators = ValidatorSet(Roster.of((others, offender)), (0, 0), 0)

    for pair in ((recorded.vote_a, recorded.vote_b), (recorded.vote_b, recorded.vote_a)):
        assert make_duplicate_vote(*pair, validators, recorded.time) == recorded
