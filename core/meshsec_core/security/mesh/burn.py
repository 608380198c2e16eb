"""How an amount to burn is spread over several stakes.

Equal shares first, rounded down; the remainder goes to the first stake that can take all of it, and only if none can,
greedily in the order given.

Source: mesh-security packages/burn/src/burn.rs.
"""

from collections.abc import Sequence

from meshsec_core.kernel.errors import Rejected

INSUFFICIENT_DELEGATIONS = "mesh/insufficient-delegations"


def distribute_burn(stakes: Sequence[tuple[str, int]], amount: int) -> dict[str, int]:
    """Return how much of each stake burns; keys without a burn are left out.

    Args:
        stakes: (key, stake) in key order; stakes of zero take no part.
        amount: What burns in total.

    Raises:
        Rejected: `mesh/insufficient-delegations` if there is less than `amount`.
    """
    held = [(key, stake) for key, stake in stakes if stake > 0]
    available = sum(stake for _, stake in held)
    if available < amount:
        raise Rejected(INSUFFICIENT_DELEGATIONS, available=available, amount=amount)
    if amount == 0:
        return {}
    share = amount // len(held)  # rounds down; the rest is placed below
    burns = {key: min(stake, share) for key, stake in held}
    rest = amount - sum(burns.values())
    whole = next((key for key, stake in held if stake - burns[key] >= rest), None)
    if whole is not None:
        burns[whole] += rest
    else:
        for key, stake in held:
            taken = min(stake - burns[key], rest)
            burns[key] += taken
            rest -= taken
    return {key: burnt for key, burnt in burns.items() if burnt}
