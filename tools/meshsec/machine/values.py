"""What a verb can be given, as hypothesis strategies: derived from the registry, with the names of a mesh filled in."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from meshsec.verbs import FEE, FROM, Param, Verb
from meshsec_core.modules.gov.state import Option
from meshsec_sdk.mesh_file import MeshSpec

USERS = ("alice", "bob")
OPERATORS = ("slashing/Unjail", "distribution/WithdrawCommission", "gov/Vote")
"""What validators' operators send; users send the rest."""
MOST = 9_000_000
"""Base units of an amount; development users hold a thousand million."""

Values = st.SearchStrategy[Any]

_AMOUNTS = st.one_of(st.integers(1, 100), st.integers(1, MOST)).map(str)
_PROPOSALS = st.integers(1, 3).map(str)
_OPTIONS = st.sampled_from([*Option]).map(str)
_SHARES = st.integers(1, 9_999).map(lambda yes: {"yes": str(yes), "no": str(10_000 - yes)})
_TEXTS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-/", min_size=1, max_size=20)
_KINDS: Mapping[str, Values] = {
    "amount": _AMOUNTS,
    "duration": st.sampled_from(("90s", "20m", "2h")),
    "flag": st.booleans(),
    "list": st.just([]),
    "json": st.sampled_from(({}, [])),
    "text": _TEXTS,
}
_NAMED: Mapping[str, Values] = {
    "proposal": _PROPOSALS,
    "option": _OPTIONS,
    "shares": _SHARES,
    "msgs": st.just([]),
    "deposit": st.just("10000000"),
    "title": st.just("a proposal"),
    "commission_bps": st.integers(0, 10_000).map(str),
}


def validators(spec: MeshSpec, chain: str) -> list[str]:
    """Return a chain's validators as verbs name them: `juno/val-0`."""
    return [f"{chain}/{each.name}" for each in spec.chain(chain).validators]


def partners(spec: MeshSpec) -> st.SearchStrategy[tuple[str, str]]:
    """Draw a provider and a consumer."""
    return st.sampled_from([(link.provider, link.consumer) for link in spec.links])


@st.composite
def arguments(draw: st.DrawFn, verb: Verb, spec: MeshSpec) -> dict[str, Any]:
    """Draw what a verb takes; its names fit together: who lends is on the chain that signs, who is lent to on its partner."""
    here, there = draw(partners(spec))
    given = {}
    for param in verb.params:
        if param.required or (param.name != FEE.name and param.kind != "json" and draw(st.booleans())):
            given[param.name] = draw(_value(verb, param, spec, (here, there)))
    return given


def decisions(here: str, there: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Draw what governance of a consumer may decide about a provider: (title, message)."""
    caps = st.sampled_from((0, 1_000, MOST, 10**9)).map(str)
    prices = st.integers(1, 400).map(lambda percent: str(percent * 10**16))
    parts = st.integers(0, 9_000).map(str)

    def about(kind: str, **fields: Values) -> Values:
        return st.fixed_dictionaries({"@type": st.just(f"mesh/{kind}"), **fields})

    link = st.just(here)
    return st.one_of(
        about("SetMaxCap", link=link, max_cap=caps),
        about("SetPriceFeed", link=link, price_e18=prices),
        about("SetLinkParams", link=link, discount_bps=parts),
        about("SetLinkParams", link=link, share_cap_bps=parts, validator_cap_bps=parts),
        about("CloseLink", link=link),
    ).map(lambda msg: (f"{there} decides about {here}", msg))


def _value(verb: Verb, param: Param, spec: MeshSpec, ends: tuple[str, str]) -> Values:
    here, there = ends
    remote = any(other.name == "consumer" for other in verb.params)
    names: dict[str, Values] = {
        FROM.name: st.sampled_from(validators(spec, here) if verb.name in OPERATORS else [f"{here}/{user}" for user in USERS]),
        "consumer": st.just(there),
        "link": st.just(there),
        "provider": st.just(spec.chain(there).names.chain_id),
        "validator": st.sampled_from(validators(spec, there if remote else here)),
        "source": st.sampled_from(validators(spec, here)),
        "target": st.sampled_from(validators(spec, here)),
        "channel": st.just(there),
        "denom": st.just(spec.chain(here).names.denom),
        "to": st.sampled_from(USERS),
        "receiver": st.sampled_from(USERS).map(lambda user: f"{there}/{user}"),
        "recipient": st.sampled_from(USERS).map(lambda user: f"{there}/{user}"),
        **_NAMED,
    }
    return names.get(param.name, _KINDS.get(param.kind, _TEXTS))
