"""What modules take from a genesis document; of models only those are loaded that somebody speaks of."""

from collections.abc import Iterable
from typing import Any

import msgspec

from meshsec_core.app import MODULES
from meshsec_core.modules.bank import BankGenesis
from meshsec_core.modules.staking.module import StakingGenesis
from meshsec_core.runtime.module import Module
from meshsec_core.security.model import CONSUMER_SIDE, PROVIDER_SIDE
from meshsec_sdk.models import load_models, model_names


def section_names() -> list[str]:
    """Return how sections may be called, those of all installed models among them; none is loaded."""
    ours = _taken(MODULES)
    return [*ours, *(f"{model}/{side}" for model in model_names() for side in (PROVIDER_SIDE, CONSUMER_SIDE))]


def section_kinds(asked: Iterable[str]) -> dict[str, type[msgspec.Struct]]:
    """Return what the modules of every chain take, and those of the models that are spoken of.

    Args:
        asked: names of sections.
    """
    models = {name.partition("/")[0] for name in asked} & set(model_names())
    modules = [module for model in load_models(sorted(models)).values() for module in (model.provider, model.consumer)]
    return _taken([*MODULES, *modules])


def _taken(modules: Iterable[Module[Any]]) -> dict[str, type[msgspec.Struct]]:
    taken = {module.name: module.genesis for module in modules if module.genesis is not None}
    return {**taken, "bank": BankGenesis, "staking": StakingGenesis}
