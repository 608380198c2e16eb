"""The page about a run, a file that needs nothing else: verdict, plots, what was lost, what every step changed, laws."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from meshsec.scenario.charts import spell_long
from meshsec.scenario.chronicle import Moment
from meshsec.scenario.document import EXPECT, WAIT, Plot, Story
from meshsec.scenario.expect import Difference
from meshsec.scenario.failure import since_last_check
from meshsec.scenario.outcome import Outcome, Played
from meshsec.scenario.plan import END, spell_arguments, spell_time
from meshsec.scenario.plots import losses, plots
from meshsec_core.kernel.types import SECOND

STYLE = Path(__file__).with_name("report.css")

LEGEND = (
    "From left to right the steps of the story, whatever time they take. Dashed lines: red where something is broken on purpose, "
    "grey where the mesh goes back to a snapshot. Point at a step for its figures."
)


def write_page(path: Path, story: Story, outcome: Outcome, moments: Sequence[Moment], replay: str) -> None:
    """Write the page.

    Args:
        path: of the file.
        story: what was played.
        outcome: what became of it.
        moments: what every step did, the first of them before all.
        replay: the command that repeats the run.
    """
    parts = [_head(story, outcome, moments, replay)]
    parts.append(_failure(outcome, moments))
    if drawn := plots(story, moments):
        parts.append(f'<h2>How it went</h2><p class="soft">{LEGEND}</p><div class="charts">{drawn}</div>')
    if Plot.LOSSES in story.report and (lost := losses(moments)):
        parts.append(f"<h2>Who lost what</h2>{lost}")
    rows = "".join(_step(step, moment) for step, moment in zip(outcome.steps, moments[1:], strict=True))
    left = len(story.steps) - sum(1 for step in outcome.steps if step.line)
    rest = f'<p class="soft">{left} more steps were not reached.</p>' if left > 0 else ""
    parts.append(f'<h2>Step by step</h2><ol class="steps">{rows}</ol>{rest}{_laws(outcome)}')
    title = f"{'passed' if outcome.passed else 'failed'}: {story.title}"
    path.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE.read_text(encoding='utf-8')}</style><main>{''.join(parts)}</main></html>\n",
        encoding="utf-8",
    )


def _head(story: Story, outcome: Outcome, moments: Sequence[Moment], replay: str) -> str:
    verdict = '<span class="verdict">passed</span>' if outcome.passed else '<span class="verdict bad">failed</span>'
    chains = ", ".join(f"{chain.name} ({len(chain.validators)} validators)" for chain in story.mesh.chains)
    facts = {
        "chains": chains,
        "steps": f"{len(outcome.steps)}",
        "logical time": spell_time(moments[-1].time * SECOND),
        "seed": str(story.seed),
        "digest": outcome.digest[:16],
    }
    said = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    command = f"<pre><code>{escape(replay)}</code></pre>"
    return f"<header>{verdict}<h1>{escape(story.title)}</h1><dl class=facts>{said}</dl>{command}</header>"


def _failure(outcome: Outcome, moments: Sequence[Moment]) -> str:
    step, since = outcome.failed_step, since_last_check(outcome, moments)
    if step is None:
        return ""
    detail = f'<p class="mono">{escape(step.detail)}</p>' if step.detail else ""
    told = "".join(
        f'<p class="soft">step {moment.index} since the last check that held</p>{_changes(moment)}{_packets(moment)}'
        for moment in since
        if moment.changes or moment.packets
    )
    return (
        f'<section class="failure"><p><strong>Step {step.index}, {escape(step.verb)}</strong>{_line(step)}: '
        f"<code>{escape(step.code)}</code></p>{detail}{_differences(step.differences)}{told}</section>"
    )


def _step(step: Played, moment: Moment) -> str:
    mark = '<span class="mark-ok">✓</span>' if step.passed else '<span class="mark-bad">✗</span>'
    refused = (
        f' <span class="soft">refused as it must be: <code>{escape(step.fails)}</code></span>'
        if step.fails and step.passed
        else ""
    )
    said = "" if step.verb in (EXPECT, WAIT) else f" <code>{escape(spell_arguments(step.arguments))}</code>"
    signer = f" <span>{escape(str(step.arguments['from']))}</span>" if "from" in step.arguments and said else ""
    note = f'<p class="note">{escape(step.note)}</p>' if step.note else ""
    verb = "at rest, with every law checked" if step.verb == END else step.verb
    asked = f"expected of {', '.join(step.arguments)}" if step.verb in (EXPECT, WAIT) else ""
    head = f"<strong>{escape(verb)}</strong>{signer}{said}{refused}{note}"
    return (
        f"<li{'' if step.passed else ' class=failed'}><span>{mark} {step.index}</span>"
        f"<div>{head}{_broken(step)}{_expected(step, asked)}{_changes(moment)}{_packets(moment)}</div>"
        f'<span class="when">{spell_time(moment.time * SECOND)}<br>{step.milliseconds} ms</span></li>'
    )


def _broken(step: Played) -> str:
    if step.passed:
        return ""
    detail = f'<p class="note mark-bad mono">{escape(step.code)} {escape(step.detail)}</p>'
    return detail + _differences(step.differences)


def _expected(step: Played, asked: str) -> str:
    if not asked:
        return ""
    rows = "".join(f"<tr><td>{escape(place)}<td class=number>{escape(wanted)}" for place, wanted in _leaves("", step.arguments))
    return f"<details><summary>{escape(asked)}</summary><table>{rows}</table></details>"


def _leaves(place: str, value: object) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(f"{place} › {key}" if place else key, part)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _leaves(f"{place} › {index}", part)
    else:
        yield place, str(value)


def _changes(moment: Moment) -> str:
    if not moment.changes:
        return ""
    rows = "".join(
        f"<tr><td>{escape(each.chain)}<td>{escape(each.place)}<td class=number>{_value(each.before)}<td>→<td class=number>"
        f"{_value(each.after)}"
        for each in moment.changes
    )
    many = f"{len(moment.changes)} change{'s' if len(moment.changes) > 1 else ''} of state"
    return f'<details><summary>{many}</summary><div class="scroll"><table>{rows}</table></div></details>'


def _value(text: str) -> str:
    return escape(spell_long(text) or "none")


def _packets(moment: Moment) -> str:
    if not moment.packets:
        return ""
    rows = "".join(f"<tr><td class=mono>{escape(line)}" for line in moment.packets)
    many = f"{len(moment.packets)} packet{'s' if len(moment.packets) > 1 else ''}"
    return f'<details><summary>{many}</summary><div class="scroll"><table>{rows}</table></div></details>'


def _differences(differences: Iterable[Difference]) -> str:
    rows = "".join(
        f"<tr><td>{escape(item.place)}<td class=number>{_value(item.expected)}<td class=number>{_value(item.found)}"
        for item in differences
    )
    head = "<tr><th>where<th class=number>expected<th class=number>found"
    return f'<div class="scroll"><table>{head}{rows}</table></div>' if rows else ""


def _laws(outcome: Outcome) -> str:
    laws = outcome.laws
    every = f"at each of {laws.blocks} blocks, and " if laws.blocks != "0" else ""
    if not outcome.passed:
        every = every.removesuffix(", and ") or "not yet: the run broke off before its end"
    when = f"What always holds was checked {every}{'in the end' if outcome.passed else ''}."
    left = f"<p>Not asked for in the end: {escape(', '.join(laws.left_out))}.</p>" if laws.left_out else ""
    names = "".join(f"<p>{escape(name)}</p>" for name in laws.names)
    return f'<h2>Laws</h2><p>{when}</p>{left}<div class="columns">{names}</div>'


def _line(step: Played) -> str:
    return f" (line {step.line})" if step.line else ""
