"""The mesh file's JSON Schema, for editors that complete and check it.

What only `read_mesh` can tell, such as whether a chain that a link names is listed, it does not say.
"""

from collections.abc import Mapping
from typing import Any

from meshsec_sdk import mesh_file, mesh_yaml, names
from meshsec_sdk.models import model_names
from meshsec_sdk.packet_filter import PacketFilter, Pattern
from meshsec_sdk.sections import section_kinds, section_names

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_Schema = dict[str, Any]

_TEXT: _Schema = {"type": "string"}
_WHOLE: _Schema = {"type": "integer", "minimum": 0}
_NAME: _Schema = {"type": "string", "pattern": f"^{names.VALIDATOR_NAME}$"}
_CHAIN: _Schema = {"type": "string", "pattern": f"^{names.CHAIN_NAME}$", "description": "A chain's short name."}
_AMOUNT: _Schema = {"type": ["integer", "string"], "description": "Base units, such as 1_000_000 or 1_000_000uosmo."}
_DECIMAL: _Schema = {"type": ["number", "string"]}
_DURATION: _Schema = {"type": ["integer", "string"], "description": "Such as 90s, 12h or 21d."}


def mesh_schema() -> dict[str, Any]:
    """Return the schema; parameters are those of the modules and models that are installed."""
    chain = _mapping(
        {
            "prefix": {**_TEXT, "description": "Bech32 prefix of addresses."},
            "denom": {**_TEXT, "description": "The staking coin's base unit."},
            "validators": _validators(),
            "balances": {
                "type": "object",
                "propertyNames": {"enum": [*names.USERS, names.FAUCET]},
                "additionalProperties": _AMOUNT,
            },
            "params": _params(),
            "engine": {"enum": list(mesh_yaml.ENGINES)},
        }
    )
    chains = {"type": "object", "minProperties": 1, "propertyNames": {"pattern": _CHAIN["pattern"]}}
    relayer = _mapping({"name": _NAME, "filter": _filter()}, required=("name",))
    whole = _mapping(
        {
            "seed": {**_WHOLE, "description": "Seeds what a simulation leaves to chance."},
            "chains": {**chains, "additionalProperties": {"anyOf": [chain, {"type": "null"}]}},
            "links": _list(_link()),
            "channels": _list(_channel()),
            "relayers": _list({"anyOf": [_NAME, relayer]}),
        },
        required=("chains",),
    )
    return {"$schema": DIALECT, "title": "meshsec mesh file", **whole}


def _validators() -> _Schema:
    named = _mapping({"name": _NAME, "tokens": _AMOUNT})
    several = {"type": "array", "minItems": 1, "maxItems": mesh_yaml.MAX_VALIDATORS, "items": {"anyOf": [_NAME, named]}}
    return {"anyOf": [{"type": "integer", "minimum": 1, "maximum": mesh_yaml.MAX_VALIDATORS}, several]}


def _params() -> _Schema:
    sections = section_kinds(section_names())
    return _mapping({name: _mapping({key: {} for key in kind.__struct_fields__}) for name, kind in sections.items()})


def _link() -> _Schema:
    terms = dict.fromkeys(mesh_yaml.FEED_TERMS, _DURATION)
    known = {
        "provider": {**_CHAIN, "description": "The chain that lends security."},
        "consumer": {**_CHAIN, "description": "The chain that is secured."},
        "model": {"enum": model_names(), "default": mesh_file.MODEL},
        "max_cap": {**_AMOUNT, "description": "Most virtual stake that the consumer accepts, in its own coin."},
        "price": {**_DECIMAL, "description": "Units of the consumer's coin for one of the provider's."},
        "discount": {**_DECIMAL, "description": "What the consumer takes off, such as 10% or 0.1."},
        "feed": _mapping({"market": _CHAIN, "base": _TEXT, "quote": _TEXT, **terms}, required=("market", "base", "quote")),
    }
    return _mapping(known, required=("provider", "consumer"))


def _channel() -> _Schema:
    end: _Schema = {"type": "string", "pattern": "^[a-z0-9]+/[a-z-]+$", "description": "CHAIN/PORT."}
    known = {"from": end, "to": end, "ordering": {"enum": list(mesh_yaml.ORDERINGS)}, "version": _TEXT}
    return _mapping(known, required=("from", "to"))


def _filter() -> _Schema:
    patterns = _list(_mapping(dict.fromkeys(Pattern.__struct_fields__, _TEXT)))
    known = {name: patterns if name in ("allow", "deny") else _WHOLE for name in PacketFilter.__struct_fields__}
    return _mapping(known)


def _list(items: _Schema) -> _Schema:
    return {"type": "array", "items": items}


def _mapping(known: Mapping[str, _Schema], required: tuple[str, ...] = ()) -> _Schema:
    found: _Schema = {"type": "object", "properties": dict(known), "additionalProperties": False}
    return {**found, "required": list(required)} if required else found
