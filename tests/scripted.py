"""The relayer's tasks and engine against answers that a test makes up: no chain, no time, no waiting."""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from ibc_rig import IbcChain
from meshsec_core.kernel import codec
from meshsec_core.kernel.wire.proto import encode
from meshsec_relayer.engine.boundary import Answer, Ask, Effect, Event, Reply, Request
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.engine import Engine
from meshsec_relayer.engine.tasks import Fetch, Task

T = TypeVar("T")

Answers = Callable[[Request], Reply]

NOT_FOUND = Reply(404, {"code": "test/not-found", "message": "", "facts": {}})
SILENCE = Reply(0, None)


def ok(value: Any, status: int = 200) -> Reply:
    """Return an answer as it comes over the wire."""
    return Reply(status, codec.plain(value))


def refused(code: str, status: int = 422, **facts: str) -> Reply:
    return Reply(status, {"code": code, "message": "", "facts": facts})


def finish(task: Task[T], answers: Answers) -> T:
    """Run a task to its end; what it waits for, beside answers, must be so already."""
    replies: tuple[Reply, ...] | None = None
    try:
        while True:
            wait = task.send(replies) if replies is not None else next(task)
            replies = ()
            if isinstance(wait, Fetch):
                replies = tuple(answers(request) for request in wait.requests)
            else:
                assert wait.ready(), wait.why
    except StopIteration as end:
        found: T = end.value
        return found


def drive(engine: Engine, event: Event, answers: Answers) -> list[Effect]:
    """Feed an event and everything it causes; return the effects other than requests."""
    events, left = [event], []
    while events:
        for effect in engine.handle(events.pop(0)):
            if isinstance(effect, Ask):
                events.append(Answer(effect.number, answers(effect.request)))
            else:
                left.append(effect)
    return left


def chain_of(rig: IbcChain, name: str) -> Chain:
    """Return a chain of the IBC rig as a relayer that has just looked at it knows it."""
    chain = Chain(name, rig.ctx.chain_id, rig.prefix)
    look(chain, rig)
    return chain


def look(chain: Chain, rig: IbcChain) -> None:
    """Look at a chain of the IBC rig again."""
    chain.height = chain.scanned = rig.ctx.height
    chain.time, chain.problem = rig.ctx.time, ""


def serve(**rigs: IbcChain) -> Answers:
    """Answer for chains of the IBC rig what the relayer's light clients ask."""

    def answer(request: Request) -> Reply:
        rig, split = rigs[request.chain], urlsplit(request.path)
        path, query = unquote(split.path), parse_qs(split.query)
        if path.startswith("/v1/commits/"):
            height = int(path.rpartition("/")[2])
            return ok({"height": height, "proto": encode(rig.sign(rig.headers[height]))}) if height in rig.headers else NOT_FOUND
        if path == "/v1/validators":
            height = int(query["height"][0])
            return ok({"height": height, "proto": encode(rig.sets[height].to_wire())})
        if path == "/v1/state" and request.body is not None:
            wanted = msgspec.json.decode(request.body)
            return ok({"entries": [look_up(rig, key, wanted.get("height")) for key in wanted["paths"]]})
        if path == "/v1/state":
            prefix = query["prefix"][0]
            rows = [{"path": key, "value": value} for key, value in sorted(rig.snapshot().items()) if key.startswith(prefix)]
            return ok({"entries": rows, "next": None})
        assert path.startswith("/v1/state/"), path
        return ok(look_up(rig, path.removeprefix("/v1/state/"), None))

    return answer


def look_up(rig: IbcChain, key: str, height: str | None) -> dict[str, Any]:
    """Return the latest value of a key, or the one after a height with its proof."""
    if height is None:
        return {"value": rig.snapshot().get(key)}
    assert rig.tree is not None
    value, proof = rig.tree.prove(key, int(height))
    return {"value": value, "proof": proof}
