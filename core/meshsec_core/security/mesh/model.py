"""Mesh Security as a plug-in."""

from typing import Any

from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.security.mesh.consumer import agenda
from meshsec_core.security.mesh.consumer.feed import FEED_PORT
from meshsec_core.security.mesh.consumer.module import CONSUMER
from meshsec_core.security.mesh.consumer.views import lent_powers
from meshsec_core.security.mesh.laws import LAWS
from meshsec_core.security.mesh.measures import MEASURES
from meshsec_core.security.mesh.provider import sweep
from meshsec_core.security.mesh.provider.evidence import NOBODY_GUILTY, SubmitEvidence
from meshsec_core.security.mesh.provider.module import PROVIDER
from meshsec_core.security.mesh.provider.reports import FAULT_CHARGED
from meshsec_core.security.model import Accusation, Offer, Sections, SecurityModel


def _has_work(store: Reader) -> bool:
    return agenda.has_work(store) or sweep.has_work(store)


def _sections(offer: Offer) -> Sections:
    """Admit the provider on the terms of the link; to lend needs no leave."""
    terms: dict[str, Any] = {"max_cap": offer.max_cap, "price_e18": offer.price_e18, "discount_bps": offer.discount_bps}
    if offer.feed is not None:
        terms["feed"] = offer.feed
    return Sections(consumer={"links": {offer.provider: terms}})


MESH = SecurityModel(
    name="mesh",
    source="github.com/osmosis-labs/mesh-security, amended",
    provider=PROVIDER,
    consumer=CONSUMER,
    laws=LAWS,
    measures=MEASURES,
    has_work=_has_work,
    sections=_sections,
    lent=lent_powers,
    accusation=Accusation(SubmitEvidence, frozenset({FAULT_CHARGED, NOBODY_GUILTY})),
    feed_port=FEED_PORT,
)
"""Virtual stake is delegated like any other, so power needs no further shaping."""
