"""No shared security: every chain stands alone. The control case of experiments, and the smallest example of a model."""

from meshsec_core.runtime.module import Module
from meshsec_core.security.model import SecurityModel

NONE = SecurityModel(
    name="none",
    source="the control case",
    provider=Module("none/provider"),
    consumer=Module("none/consumer"),
)
"""Chains trade but lend each other nothing."""
