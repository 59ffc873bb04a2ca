"""A check as Markdown, for job summaries and comments: verdict, table, picture, and every line in a fold."""

import math
from collections.abc import Iterator

from bench.gate import output
from bench.gate.compare import ArmCheck, Check
from bench.spec.criteria import GateTable

SIGNS = {"ok": "✅", "regressed": "❌", "inconclusive": "⚠️"}


def to_markdown(check: Check, rule: GateTable, *, strict: bool = False) -> str:
    """One page; the first line is a heading with the outcome in a few words."""
    return "\n".join(_lines(check, rule, strict)) + "\n"


def _lines(check: Check, rule: GateTable, strict: bool) -> Iterator[str]:
    verdict = output.verdict(check, rule)
    outcome = output.outcome_of(check, strict)
    sign = SIGNS["inconclusive"] if outcome == "ok" and check.is_worse else SIGNS[outcome]
    yield f"## {sign} MI convergence of {_plain(check.experiment)}: {verdict.partition(':')[0]}"
    yield f"\n{_plain(verdict)}\n"
    if check.arms:
        yield "| arm | T80, baseline | T80, here | ratio | final L_I, shift in nats | outcome |"
        yield "|---|---|---|---|---|---|"
        for arm in check.arms:
            yield _row(arm)
        for arm in check.arms:
            yield from _picture(arm)
    for one in check.watched:
        yield f"- watched: {_plain(f'{one.group}: {one.outcome}: {one.reason}')}"
    for what in check.treatment:
        yield f"- under test: {_plain(what)}"
    yield "\n<details><summary>Every number</summary>\n\n```"
    yield from (line.replace("```", "'''") for line in output.lines(check, rule))
    yield "```\n\n</details>"


def _row(arm: ArmCheck) -> str:
    ratio, final = arm.t80.ratio if arm.t80 else None, arm.final
    shown = [output.time_words(output.median(side)) for side in (arm.base_t80, arm.new_t80)]
    of_ratio = "not comparable" if ratio is None else ratio.in_words()
    if ratio is not None and not math.isnan(ratio.ratio):
        of_ratio += f" [{ratio.low:.3f}, {output.number(ratio.high)}]"
    of_final = f"{final.shift:+.3f} [{final.low:+.3f}, {final.high:+.3f}]" if final else "not measured"
    return f"| {_plain(arm.group)} | {shown[0]} | {shown[1]} | {of_ratio} | {of_final} | {arm.outcome} |"


def _picture(arm: ArmCheck) -> Iterator[str]:
    """T80 of every seed that both sides have, as a chart that GitHub and GitLab draw; none where a seed failed."""
    seeds = sorted(arm.base_t80.keys() & arm.new_t80.keys())
    values = [[side[seed] for seed in seeds] for side in (arm.base_t80, arm.new_t80)]
    if not seeds or not all(math.isfinite(v) for side in values for v in side):
        return
    name = "".join(c if c.isalnum() or c in "-/ ." else "?" for c in arm.group)
    low, high = 0.95 * min(map(min, values)), 1.05 * max(map(max, values))
    yield "\n```mermaid\nxychart-beta"
    yield f'    title "T80 by seed, {name}: bars for the baseline, line for the new runs"'
    yield f"    x-axis [{', '.join(map(str, seeds))}]"
    yield f'    y-axis "iterations" {low:.0f} --> {high:.0f}'
    for kind, side in zip(("bar", "line"), values, strict=True):
        yield f"    {kind} [{', '.join(f'{v:.1f}' for v in side)}]"
    yield "```\n"


def _plain(text: str) -> str:
    """Without what Markdown or HTML would take for its own."""
    for character in "\\`*_[]<>|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
