"""What a query declares of itself: what it may be asked, and what it answers.

A query is a function of a view; its signature and its docstring are the declaration. HTTP, Python, the command line and the
OpenAPI document know no more of it than stands here.
"""

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any, get_type_hints

import msgspec

from meshsec_core.kernel.types import Address, ChainId, Denom, LinkId, ValidatorId
from meshsec_core.runtime.module import Query

KINDS = (str, int, bool, Address, ValidatorId, LinkId, ChainId, Denom)
"""Of parameters. Development names are understood where an `Address`, a `ValidatorId` or a `LinkId` is asked for."""


class Parameter(msgspec.Struct, frozen=True):
    """What a query is asked with."""

    kind: Any
    """One of `KINDS`; `str` if nothing is written."""
    required: bool


class Declaration(msgspec.Struct, frozen=True):
    """What is known of a query."""

    help: str
    """First paragraph of the docstring, in one line."""
    parameters: Mapping[str, Parameter]
    answer: Any
    """The type of the answer as written; `Any` if nothing is written."""


@cache
def declared(query: Query) -> Declaration:
    """Return what a query declares.

    Raises:
        NameError: an annotation names what its file does not know at run time.
    """
    hints = get_type_hints(query)
    asked = list(inspect.signature(query).parameters.values())[1:]
    return Declaration(
        " ".join((inspect.getdoc(query) or "").partition("\n\n")[0].split()),
        {item.name: Parameter(hints.get(item.name, str), item.default is inspect.Parameter.empty) for item in asked},
        hints.get("return", Any),
    )


def kind_name(kind: Any) -> str:
    """Spell the kind of a parameter."""
    return getattr(kind, "__name__", None) or str(kind)
