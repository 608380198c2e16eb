"""The one table of routes: HTTP registers it, the simulation's transport looks things up in it, OpenAPI is written from it.

Every chain has `ROUTES`; what its modules and models declare as queries comes behind them, and cannot take their places.
"""

from collections.abc import Mapping

from meshsec_core.runtime.module import Machine
from meshsec_node.views import chain, evidence, faults, forks, queries, state, txs
from meshsec_node.views.routes import Route

_HEIGHT: Mapping[str, str] = {"height": "State after this height; the latest by default."}
_ANY: Mapping[str, str] = {**_HEIGHT, "*": "The query's own parameters."}
_WAIT: Mapping[str, str] = {"wait": "`commit`: answer with the receipt once the transaction is in a block."}
_PAGE: Mapping[str, str] = {
    **_HEIGHT,
    "prefix": "Start of the paths.",
    "after": "Paths behind this one.",
    "limit": f"Up to {state.MAX_PAGE}; {state.PAGE} by default.",
}
_PROVE: Mapping[str, str] = {**_HEIGHT, "prove": "Add the proof; the default height is then the latest that a header proves."}

ROUTES: tuple[Route, ...] = (
    Route("GET", "/healthz", chain.healthz, answer="Alive"),
    Route("GET", "/readyz", chain.readyz, answer="Ready"),
    Route("GET", "/v1/status", chain.status, answer="Status"),
    Route("GET", "/v1/blocks/{height}", chain.block, answer="Block"),
    Route("GET", "/v1/blocks/{height}/txs", chain.block_txs, answer="BlockTxs"),
    Route("GET", "/v1/commits/{height}", chain.commit, answer="SignedHeader"),
    Route("GET", "/v1/validators", chain.validators, {"height": "The height that the set votes on."}, "Validators"),
    Route("POST", "/v1/txs", txs.submit, _WAIT, "TxAccepted", "SignedTx"),
    Route("POST", "/v1/txs/batch", txs.batch, {}, "BatchAccepted", "TxBatch"),
    Route("GET", "/v1/txs/{hash}", txs.receipt, {}, "Receipt"),
    Route("POST", "/v1/simulate", txs.simulate, {}, "Simulated", "Order"),
    Route("POST", "/v1/evidence", evidence.accuse, {}, "EvidenceAccepted", "Accusation"),
    Route("GET", "/v1/state", state.listing, _PAGE, "StatePage"),
    Route("POST", "/v1/state", state.values, {}, "StateValues", "StateWanted"),
    Route("GET", "/v1/state/{path:path}", state.value, _PROVE, "StateValue"),
    Route("GET", "/v1/accounts/{address}", state.account, {}, "Account"),
    Route("GET", "/v1/query", queries.listing),
    Route("GET", "/v1/query/{query:path}", queries.query, _ANY),
    Route("GET", "/v1/balances/{address}", state.balances, _HEIGHT, "Balances"),
    Route("POST", "/v1/dev/fault", faults.fault, takes="Fault", development=True),
    Route("POST", "/v1/dev/partition", faults.partition, takes="Partition", development=True),
    Route("POST", "/v1/dev/fork", forks.fork, {}, "Branch", "Fork", development=True),
    Route("POST", "/v1/dev/end-fork", forks.end_fork, takes="EndFork", development=True),
    Route("GET", "/v1/dev/branches", forks.branches, {}, "Branches", development=True),
    Route("POST", "/v1/dev/set-balance", forks.set_balance, takes="SetBalance", development=True),
    Route("POST", "/v1/dev/heal", faults.heal, takes="Heal", development=True),
)


def routes_of(machine: Machine) -> tuple[Route, ...]:
    """Return all routes of a chain that runs these modules."""
    declared = (Route("GET", f"/v1/{owner}/{{query:path}}", queries.queries_of(owner), _ANY) for owner in queries.owners(machine))
    return (*ROUTES, *declared)
