"""What talks to chains survives whatever answers: it counts as no answer, or as a bad one."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import httpx
import pytest

from meshsec.gateway.upstream import Upstream
from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.engine.boundary import Reply, Request
from meshsec_relayer.runner import _send
from meshsec_sdk.transport import HttpTransport

T = TypeVar("T")

RUBBISH = {
    "nothing": b"",
    "a page": b"<html>",
    "no UTF-8": b'"\xff"',
    "half a text": b'{"height":"1',
    "nesting without end": b"[" * 200_000,
    "a number of thousands of digits": b"9" * 5_000,
}

rubbish = pytest.mark.parametrize("raw", RUBBISH.values(), ids=RUBBISH.keys())


def answering(raw: bytes) -> httpx.MockTransport:
    return httpx.MockTransport(lambda request: httpx.Response(200, stream=httpx.ByteStream(raw)))


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Rejected) as refusal:
        act()
    return refusal.value.code


@rubbish
def test_a_relayer_takes_rubbish_for_no_answer(raw: bytes) -> None:
    async def ask() -> Reply:
        async with httpx.AsyncClient(transport=answering(raw), base_url="http://chain") as client:
            return await _send(client, Request("osmosis", "/v1/status"))

    assert asyncio.run(ask()) == Reply(0, None)


@rubbish
def test_a_gateway_tells_that_a_chain_answers_rubbish(raw: bytes) -> None:
    async def ask() -> object:
        async with httpx.AsyncClient(transport=answering(raw)) as client:
            return await Upstream("chain", "osmosis", "http://chain", client).get("/v1/status", dict)

    assert refused(lambda: asyncio.run(ask())) == "gateway/broken-answer"


@rubbish
def test_a_client_tells_that_a_chain_answers_rubbish(raw: bytes) -> None:
    transport = HttpTransport("http://chain")
    transport._http = httpx.Client(transport=answering(raw))
    assert refused(lambda: transport.get("/v1/status")) == "client/bad-answer"
