"""The models that are built in, by name. Others are handed in by the shell."""

from collections.abc import Mapping
from types import MappingProxyType

from meshsec_core.security.mesh.model import MESH
from meshsec_core.security.model import SecurityModel
from meshsec_core.security.none import NONE

MODELS: Mapping[str, SecurityModel] = MappingProxyType({model.name: model for model in (MESH, NONE)})
