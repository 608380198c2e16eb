"""Verbs about shared-security models: `models`."""

from typing import Any

import typer

from meshsec.cli.answer import CHECK_FAILED, Json, say


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(models)


def models(json: Json = False) -> int:
    """List the shared-security models that are installed, and what is wrong with those that cannot be loaded."""
    from meshsec_sdk.models import model_names

    found = {name: _about(name) for name in model_names()}
    say(found, json=json)
    return CHECK_FAILED if any(about.get("broken") or about.get("impure") for about in found.values()) else 0


def _about(name: str) -> dict[str, Any]:
    from meshsec.purity import impurities
    from meshsec_core.kernel.errors import Rejected
    from meshsec_sdk.models import load_model, packages_of, source_of

    about: dict[str, Any] = {"packages": packages_of(name)}
    try:
        model = load_model(name)
    except Rejected as refusal:
        return {**about, "broken": f"{refusal.code}: {refusal.texts.get('reason') or refusal.texts.get('found', '')}"}
    sides = (model.provider, model.consumer)
    return {
        **about,
        "source": model.source,
        "messages": [str(kind.__struct_config__.tag) for side in sides for kind in side.handlers],
        "queries": [f"{side.name}/{query}" for side in sides for query in side.queries],
        "measures": [f"{name}/measures/{measure}" for measure in model.measures],
        "laws": [*(law for side in sides for law in side.laws), *(law.name for law in model.laws)],
        "channel": model.has_channel,
        "impure": impurities(source_of(name)),
    }
