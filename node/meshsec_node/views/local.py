"""The routes without sockets: a simulated chain answers the same paths by the same views as a process does."""

import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_node.views.routes import Node, Reply, Request, Route, check_request
from meshsec_node.views.table import routes_of
from meshsec_sdk.problems import NO_METHOD, NO_ROUTE, problem, status_of


def _pattern(path: str) -> re.Pattern[str]:
    named = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    return re.compile(re.sub(r"\{(\w+):path\}", r"(?P<\1>.+)", named))


def find_route(patterns: tuple[tuple[re.Pattern[str], Route], ...], method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Return the first route that fits and its path parameters.

    Raises:
        Rejected: `http/not-found`, `http/method-not-allowed`.
    """
    known = False
    for pattern, route in patterns:
        match = pattern.fullmatch(path)
        if match is not None and route.method == method:
            return route, match.groupdict()
        known = known or match is not None
    if known:
        raise Rejected(NO_METHOD, path=path[:200], method=method)
    raise Rejected(NO_ROUTE, path=path[:200], method=method)


class LocalTransport:
    """Answers requests about one node with (status, JSON value), as its HTTP server would."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._patterns = tuple((_pattern(route.path), route) for route in routes_of(node.replica.machine))

    def get(self, path: str) -> tuple[int, Any]:
        """Answer a GET; the path may carry a query."""
        return self._answer("GET", path, b"")

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Answer a POST of JSON, as bytes or as a value. `?wait=` is not waited for: whoever drives the chain makes the block."""
        return self._answer("POST", path, body if isinstance(body, bytes) else codec.encode(body))

    def _answer(self, method: str, target: str, body: bytes) -> tuple[int, Any]:
        reply = self._reply(method, target, body)
        return reply.status, codec.plain(reply.body)

    def _reply(self, method: str, target: str, body: bytes) -> Reply:
        try:
            split = urlsplit(target)
            route, parts = find_route(self._patterns, method, unquote(split.path))
            query = dict(parse_qsl(split.query, keep_blank_values=True))
            request = Request(parts, query, body)
            check_request(route, self._node, request)
            return route.view(self._node, request)
        except Rejected as refusal:
            return Reply(problem(refusal), status_of(refusal.code))
