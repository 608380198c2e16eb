"""Tells the heist in a terminal: each step in plain words above a small picture of both chains, and at last the one table."""

import time
from typing import Literal

from rich.console import Console, Group
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from meshsec.demo import figures
from meshsec.demo.figures import BACKER, LENDER, THIEF, Amounts
from meshsec.demo.heist import BRIDGED, LENT, MILLION, Heist, cost, profit
from meshsec.world import forks
from meshsec.world.base import World

STEPS = 12
"""How many steps the story has."""
BAR = 20
"""Characters of a full bar."""
SIDE_BY_SIDE = 100
"""Columns that two chains need."""


class Teller:
    """Prints every step, and leaves time to read it.

    Args:
        world: what the pictures are of.
        console: where to print.
        pause: seconds after each step.
    """

    def __init__(self, world: World, console: Console, pause: float) -> None:
        self._world = world
        self._console = console
        self._pause = pause
        self._step = 0
        self._loot = figures.holdings(world).loot

    def tell(self, headline: str, words: str) -> None:
        """Print a step."""
        self._step += 1
        self._console.print(Rule(f"[bold]{headline}[/bold]  {self._step}/{STEPS}", align="left"))
        self._console.print(Text(words))
        self._console.print(self._picture())
        time.sleep(self._pause)

    def _picture(self) -> Table:
        table = Table.grid(expand=False)
        both = (Panel(self._osmosis(), title="osmosis", width=44), Panel(self._juno(), title="juno", width=56))
        for row in (both,) if self._console.width >= SIDE_BY_SIDE else tuple((each,) for each in both):
            table.add_row(*row)
        return table

    def _osmosis(self) -> Group:
        chain = self._world.osmosis
        client = chain.query("ibc", "client", client_id=forks.client_of(chain, self._world.juno))["status"]
        lent = figures.collateral(chain, LENDER)
        rows = [
            _row("escrow", figures.escrow(chain), BRIDGED, "cyan"),
            _row(f"{THIEF}'s loot", chain.balance(THIEF) - self._loot, BRIDGED, "red"),
            _row(f"{LENDER} lends", lent, LENT * len(figures.THIEVES), "green") if lent else Text(),
            Text.assemble("light client of juno: ", (client, "red" if client != "active" else "green")),
        ]
        return Group(*rows)

    def _juno(self) -> Group:
        chain = self._world.juno
        tombstoned = {found["name"] for found in chain.query("staking", "validators") if found["tombstoned"]}
        backing = {each["validator"]: each for each in chain.query("mesh/consumer", "validators")}
        rows = []
        for found in sorted(chain.query("staking", "validators"), key=lambda each: str(each["name"])):
            backed = backing[found["operator"]]
            native, lent = int(backed["native"]), sum(map(int, backed["virtual"].values()))
            rows.append(_validator(found["name"], native, lent, gone=found["name"] in tombstoned))
        rows.append(Text(f"bob's vouchers: {figures.vouchers(self._world) // MILLION} M"))
        return Group(*rows)


def _row(name: str, amount: int, whole: int, colour: str) -> Text:
    size = BAR * amount // whole
    return Text.assemble(f"{name:<12} ", ("█" * size, colour), "░" * (BAR - size), f" {amount // MILLION:,} M")


def _validator(name: str, native: int, lent: int, *, gone: bool) -> Text:
    own, more = (BAR * part // (2 * LENT) for part in (native, lent))
    said = f" {native // MILLION:,} M" + (f" + {lent // MILLION:,} M lent" if lent else "")
    bars = (("█" * own, "red" if gone else "blue"), ("█" * more, "green"))
    return Text.assemble(f"{name} ", *bars, said, ("  slashed, out for ever", "red") if gone else "")


def ledger(told: Heist) -> Table:
    """Draw the one table: what was stolen and who paid, computed before and measured afterwards, per act."""
    table = Table(title="The heist, to the unit", title_justify="left", title_style="bold")
    table.add_column("chain")
    table.add_column("what happened to whom")
    for act in told.acts:
        for kind in ("computed", "measured"):
            table.add_column(act.title.replace(", ", "\n") + f"\n{kind}", justify="right")
    for chain, what, name in ROWS:
        pairs = ((getattr(act.computed, name), getattr(act.measured, name)) for act in told.acts)
        table.add_row(chain, what, *(cell for pair in pairs for cell in _cells(*pair)), end_section=name in LAST)
    for what, of in (("what the theft burned", cost), ("what it leaves the thieves and their backers", profit)):
        pairs = ((of(act.computed), of(act.measured)) for act in told.acts)
        table.add_row("", f"[bold]{what}[/bold]", *(cell for pair in pairs for cell in _cells(*pair)))
    return table


ROWS: tuple[tuple[str, str, str], ...] = (
    ("osmosis", f"stolen from the escrow by {THIEF}", "stolen"),
    ("juno", "slashed: the forgers' own stake", "own_stake"),
    ("juno", f"slashed: {BACKER}'s, staked with them", "backed"),
    ("osmosis", f"slashed: {LENDER}'s, lent to them", "lent"),
    ("juno", "coins destroyed in all, by the supply", "burned_juno"),
    ("osmosis", "coins destroyed in all, by the supply", "burned_osmosis"),
)
"""(chain, what, field of the amounts)."""
LAST = ("stolen", "lent", "burned_osmosis")
"""Rows that end a section."""
assert {name for _, _, name in ROWS} == set(Amounts.__struct_fields__)

Style = Literal["", "red"]


def _cells(computed: int, measured: int) -> tuple[Text, Text]:
    style: Style = "" if computed == measured else "red"
    return Text(f"{computed:,}"), Text(f"{measured:,}", style=style)


def verdict(told: Heist) -> str:
    """Say in a sentence what the table shows."""
    if not told.agrees:
        return "A figure differs from what was computed before the theft: it is red in the table."
    first, second = (profit(act.measured) for act in told.acts)
    return (
        f"Alone juno is worth robbing ({first:+,}); secured by its neighbour it is not ({second:+,}). "
        "Every figure was computed by the chains before the theft and counted from balances after it; they agree to the unit."
    )
