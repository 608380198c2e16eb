"""What is drawn of a run: power, collateral and liens, packets, rewards, and who lost what by whose fault."""

from collections.abc import Callable, Sequence
from html import escape
from itertools import accumulate

from meshsec.scenario.charts import Line, Mark, chart
from meshsec.scenario.chronicle import Moment
from meshsec.scenario.document import Plot, Story
from meshsec.scenario.plan import with_ending
from meshsec.scenario.sight import Figures
from meshsec_sdk.names import chain_name

TOLD = ("fault.", "crash", "relayer.stop", "relayer.pause", "packets.drop", "packets.hold")
"""Beginnings of verbs that break something."""


def plots(story: Story, moments: Sequence[Moment]) -> str:
    """Draw everything that the story asks for and that is not empty."""
    chains = list(moments[0].figures)
    marks = _marks(story, len(moments))
    drawn: list[str] = []
    for kind in story.report:
        match kind:
            case Plot.POWER:
                drawn += [_power(chain, moments, marks) for chain in chains]
            case Plot.COLLATERAL:
                drawn += [_collateral(chain, moments, marks) for chain in chains]
            case Plot.PACKETS:
                drawn += _packets(chains, moments, marks)
            case Plot.REWARDS:
                drawn.append(_rewards(chains, moments, marks))
            case Plot.LOSSES:
                drawn.append(_contagion(chains, moments, marks))
    return "".join(drawn)


def losses(moments: Sequence[Moment]) -> str:
    """Tell who lost what by whose fault, as a table; empty if nobody lost anything."""
    found = [(moment.index, loss) for moment in moments for loss in moment.losses]
    if not found:
        return ""
    most = max(loss.amount for _, loss in found)
    rows = "".join(
        f"<tr><td>{step}<td>{escape(loss.cause)}<td>{escape(loss.who)}<td>{loss.chain}"
        f"<td class=number>{loss.amount:,} {escape(loss.denom)}"
        f'<td class=bar><i class="{"elsewhere" if loss.elsewhere else "home"}" style="width:{100 * loss.amount / most:.1f}%"></i>'
        for step, loss in found
    )
    head = "<tr><th>step<th>at fault<th>who lost<th>on chain<th class=number>how much<th>"
    legend = (
        '<ul class="legend"><li><i style="background:var(--c0)"></i>lost at home</li>'
        '<li><i style="background:var(--c1)"></i>lost on another chain than the fault was on</li></ul>'
    )
    return f'<figure><div class="scroll"><table>{head}{rows}</table></div>{legend}</figure>'


def _marks(story: Story, seen: int) -> tuple[Mark, ...]:
    found = []
    for index, step in enumerate(with_ending(story), start=1):
        kind = "revert" if step.verb == "revert" else "fault" if step.verb.startswith(TOLD) else ""
        if kind and index < seen:
            found.append(Mark(index, step.verb, kind))
    return tuple(found)


def _line(name: str, moments: Sequence[Moment], chain: str, figure: Callable[[Figures], int]) -> Line:
    """Read one figure of a chain out of every moment; a chain that did not answer at first had none."""
    return Line(name, tuple(figure(moment.figures.get(chain, Figures())) for moment in moments))


def _keys(moments: Sequence[Moment], chain: str, figure: Callable[[Figures], dict[str, int]]) -> list[str]:
    return sorted({key for moment in moments for key in figure(moment.figures.get(chain, Figures()))})


def _power(chain: str, moments: Sequence[Moment], marks: Sequence[Mark]) -> str:
    series = [_line("its own", moments, chain, lambda figures: figures.native)]
    for lender in _keys(moments, chain, lambda figures: figures.virtual):
        series.append(_line(f"lent by {lender}", moments, chain, lambda figures, lender=lender: figures.virtual.get(lender, 0)))  # type: ignore[misc]
    return chart(f"Power on {chain}", chain_name(chain).denom, series, marks, stacked=True)


def _collateral(chain: str, moments: Sequence[Moment], marks: Sequence[Mark]) -> str:
    series = [_line("collateral", moments, chain, lambda figures: figures.collateral)]
    for borrower in _keys(moments, chain, lambda figures: figures.liens):
        series.append(_line(f"lent to {borrower}", moments, chain, lambda figures, to=borrower: figures.liens.get(to, 0)))  # type: ignore[misc]
    return chart(f"Collateral and liens on {chain}", chain_name(chain).denom, series, marks)


def _packets(chains: Sequence[str], moments: Sequence[Moment], marks: Sequence[Mark]) -> list[str]:
    flying = [_line(f"sent by {chain}", moments, chain, lambda figures: figures.in_flight) for chain in chains]
    arrived = [_line(f"received by {chain}", moments, chain, lambda figures: figures.received) for chain in chains]
    return [chart("Packets on their way", "number", flying, marks), chart("Packets delivered", "number so far", arrived, marks)]


def _rewards(chains: Sequence[str], moments: Sequence[Moment], marks: Sequence[Mark]) -> str:
    series = []
    for chain in chains:
        for payer in _keys(moments, chain, lambda figures: figures.rewards):
            name = f"from {payer} to {chain}, {chain_name(payer).denom}"
            series.append(_line(name, moments, chain, lambda figures, payer=payer: figures.rewards.get(payer, 0)))  # type: ignore[misc]
    return chart("Rewards for lending", "credited so far", series, marks)


def _contagion(chains: Sequence[str], moments: Sequence[Moment], marks: Sequence[Mark]) -> str:
    """Draw what slashes took so far, also in futures that a revert has undone."""
    series = []
    for chain in chains:
        for elsewhere, where in ((False, "faults there"), (True, "faults elsewhere")):
            lost = [
                sum(loss.amount for loss in moment.losses if (loss.chain, loss.elsewhere) == (chain, elsewhere))
                for moment in moments
            ]
            series.append(Line(f"on {chain} by {where}, {chain_name(chain).denom}", tuple(accumulate(lost))))
    return chart("Lost by slashing", "so far", series, marks)
