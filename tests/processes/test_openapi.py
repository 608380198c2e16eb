"""Every published interface keeps to its OpenAPI document, whatever is asked: no 5xx, and no answer of another shape."""

from pathlib import Path

import pytest

from fuzzed import fuzz
from meshsec.world.process import ProcessWorld
from node_process import NodeProcess


@pytest.mark.slow
def test_a_chain_answers_everything_as_it_publishes(tmp_path: Path) -> None:
    with NodeProcess(tmp_path, block_mode="manual") as node:
        with node.client() as client:
            client.mine(3)
        asked = fuzz(node.url, leave_out=("/v1/dev/mine", "/v1/dev/cut-power"))
        assert len(asked) > 40
        with node.client() as client:
            client.heal()
            client.mine(1)


@pytest.mark.slow
def test_a_gateway_and_a_relayer_answer_everything_as_they_publish() -> None:
    with ProcessWorld("pair") as world:
        endpoints = world.home.running().endpoints
        assert len(fuzz(endpoints.gateway)) >= 12
        assert len(fuzz(endpoints.relayers["main"])) >= 20
        world.relayer("resume")
        world.relayer("release")
        world.settle()
