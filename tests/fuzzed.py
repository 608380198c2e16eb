"""Asks an HTTP interface what its OpenAPI document allows, and more, and checks every answer against the document."""

import os
from collections import Counter
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

EXAMPLES = int(os.environ.get("MESHSEC_EXAMPLES", "20"))
"""Requests for each operation; `make long` asks for more."""

CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance]


def fuzz(url: str, leave_out: tuple[str, ...] = ()) -> dict[str, Counter[int]]:
    """Ask everything that is published, with a fixed seed; return (method, path) to status to how often.

    Args:
        url: of the interface.
        leave_out: paths that would only take long.
    """
    found: dict[str, Counter[int]] = {}
    for result in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        operation = result.ok()
        if operation.path not in leave_out:
            found[f"{operation.method.upper()} {operation.path}"] = _ask(operation)
    return found


def _ask(operation: Any) -> Counter[int]:
    statuses: Counter[int] = Counter()

    @seed(1)
    @settings(
        max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        answer = case.call()
        statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    ask()
    return statuses
