"""Every shape of the HTTP API by name."""

from collections.abc import Mapping

from meshsec_sdk.schemas import chain, dev, shape, state, txs
from meshsec_sdk.schemas.shape import Shape

SHAPES: Mapping[str, type[Shape]] = {
    name: kind
    for module in (shape, chain, txs, state, dev)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, Shape) and kind is not Shape
}
