"""Between provider tokens and consumer tokens: a price, and a discount as a buffer against its fall.

Both directions round down at every step, and `invert` uses reciprocals truncated to 18 digits, as the reference does:
what a slash costs on the provider can be a unit less than what it cost on the consumer, never more.

Source: mesh-security contracts/consumer/converter.
"""

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_BPS, ONE_E18

INVALID_PRICE = "mesh/invalid-price"
INVALID_DISCOUNT = "mesh/invalid-discount"


class Rate(msgspec.Struct, frozen=True):
    """How provider tokens are valued."""

    price_e18: int = ONE_E18
    """Consumer tokens for one provider token × 10^18."""
    discount_bps: int = 0

    @property
    def adjustment_e18(self) -> int:
        """1 − discount, × 10^18."""
        return (ONE_BPS - self.discount_bps) * (ONE_E18 // ONE_BPS)

    def check(self) -> None:
        """Refuse a rate that cannot be used in both directions.

        Raises:
            Rejected: `mesh/invalid-price`, `mesh/invalid-discount`.
        """
        if self.price_e18 <= 0:
            raise Rejected(INVALID_PRICE, price_e18=self.price_e18)
        if not 0 <= self.discount_bps < ONE_BPS:
            raise Rejected(INVALID_DISCOUNT, discount_bps=self.discount_bps)

    def normalize(self, amount: int) -> int:
        """Value provider tokens in consumer tokens; rounds down after the price and after the discount."""
        return amount * self.price_e18 // ONE_E18 * self.adjustment_e18 // ONE_E18

    def invert(self, amount: int) -> int:
        """Value consumer tokens in provider tokens; rounds down at the reciprocals and after each of them."""
        by_price = amount * (ONE_E18 * ONE_E18 // self.price_e18) // ONE_E18
        return by_price * (ONE_E18 * ONE_E18 // self.adjustment_e18) // ONE_E18
