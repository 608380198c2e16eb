"""Laws are checked on what chains serve: whoever reads the state can tell that it is sound, or that it is not."""

import base64
from typing import Any

import pytest

from meshsec.world.chain import Chain
from meshsec.world.laws import Rows, check_laws, read_view
from meshsec.world.sim import SimWorld
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_sdk.mesh_file import GENESIS_TIME


class Forged:
    """A chain's interface that lies about one value."""

    def __init__(self, honest: Any, path: str, value: bytes) -> None:
        self._honest = honest
        self._path = path
        self._value = value

    def get(self, path: str) -> tuple[int, Any]:
        status, answer = self._honest.get(path)
        if path.startswith("/v1/state?"):
            for entry in answer["entries"]:
                if entry["path"] == self._path:
                    entry["value"] = base64.b64encode(self._value).decode()
        return status, answer

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        raise AssertionError(f"{path} {body}")


def test_the_state_that_chains_serve_obeys_the_laws_and_one_forged_coin_breaks_them() -> None:
    with SimWorld("pair") as world:
        check_laws(world.spec, GENESIS_TIME, world.chains)
        honest = world.osmosis
        forged = Chain(world, "osmosis", Forged(honest.transport, "bank/supply/uosmo", b'"1"'))
        with pytest.raises(InvariantViolated):
            check_laws(world.spec, GENESIS_TIME, {**world.chains, "osmosis": forged})


def test_a_state_that_was_read_page_by_page_reads_like_the_one_that_was_served() -> None:
    with SimWorld("pair") as world:
        read = read_view(world.spec, GENESIS_TIME, world.osmosis)
        served = world.nodes["osmosis"].replica.view()
        for prefix, after in (("", ""), ("bank/balances/", ""), ("ibc/", "ibc/clients/07-tendermint-0/clientState"), ("zzz", "")):
            assert list(read.store.scan(prefix, after)) == list(served.store.scan(prefix, after))
        assert (read.height, read.time, read.store.get("bank/nothing")) == (served.height, served.time, None)


def test_rows_behind_a_path_begin_behind_it() -> None:
    rows = Rows({"a/1": b"1", "a/2": b"2", "b/1": b"3"})
    assert list(rows.scan("a/", "a/1")) == [("a/2", b"2")]
    assert list(rows.scan("", "a/2")) == [("b/1", b"3")]
