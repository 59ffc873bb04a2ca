"""What a check prints and writes: lines for people, JSON, JUnit XML for other people's CI, and the history."""

import contextlib
import json
import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal
from xml.etree import ElementTree

from pydantic import Field

from bench.analysis import statistics
from bench.analysis.runs import Run, Sweep
from bench.analysis.throughput import Ratio, StoredRatio, newest_ratio
from bench.gate.compare import ArmCheck, Check
from bench.gate.health import NOT_MEASURED
from bench.gate.rules import percent
from bench.records.storage import append_line, plain_json, read_lines, write_atomic
from bench.spec.criteria import GateTable
from bench.spec.schema import Label, Recorded


def _times(values: dict[int, float]) -> str:
    return " ".join(f"{seed}:{'not reached' if math.isinf(v) else f'{v:.1f}'}" for seed, v in sorted(values.items()))


def _number(value: float, digits: int = 3) -> str:
    """A ratio or a spread; failed seeds leave it without a bound."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "unbounded"


def _ratio(value: float) -> str:
    return "not comparable" if math.isnan(value) else f"{value:.3f}"


def _side(name: str, values: dict[int, float]) -> str:
    interval = statistics.median_interval(list(values.values()))
    failed = sum(math.isinf(v) for v in values.values())
    ends = " to ".join("not reached" if math.isinf(v) else f"{v:.1f}" for v in (interval.low, interval.high))
    median = "not reached" if math.isinf(interval.median) else f"{interval.median:.1f}"
    return f"{name} {median} [{ends}] n={len(values)} failed {failed}"


def _median(values: dict[int, float]) -> float:
    return statistics.median_interval(list(values.values())).median


def _statuses(side: dict[int, str]) -> str:
    """``9 ok, 1 collapsed (seed 3)``: the usual status as a number, of any other the seeds too."""
    shown = []
    for status, num in Counter(side.values()).most_common():
        seeds = " ".join(str(seed) for seed, s in sorted(side.items()) if s == status)
        usual = status in ("ok", NOT_MEASURED)
        shown.append(f"{num} {status}" if usual else f"{num} {status} ({'seed' if num == 1 else 'seeds'} {seeds})")
    return ", ".join(shown)


def arm_lines(arm: ArmCheck, rule: GateTable) -> Iterator[str]:
    """Everything that the decision rests on, every seed included."""
    t80, h = arm.t80, arm.health
    assert t80 is not None
    line = f"T80 {arm.group}: {_side('base', arm.base_t80)} | {_side('new', arm.new_t80)}"
    if t80.ratio is not None:
        r = t80.ratio
        line += f" | ratio {_ratio(r.ratio)}, {percent(r.level)} CI [{_number(r.low)}, {_number(r.high)}]"
        line += f", P(slower) {t80.prob_slower:.2f}, MWU p {t80.p_slower:.3f}, Fisher p {t80.p_failures:.3f}"
        excluded = "yes" if r.high < 1 + rule.margin else "no"
        line += f" -> {t80.outcome} (slowdown of {percent(rule.margin)} excluded: {excluded}; "
        line += f"tolerance {percent(rule.tolerance)})"
    yield line
    if arm.same_seed is not None:
        s = arm.same_seed
        drift = " -> drift warning" if arm.drifts else ""
        yield (
            f"same seeds: {_number(s.interval.median)} [{_number(s.interval.low)}-{_number(s.interval.high)}] "
            f"{s.num_slower}/{s.interval.num} slower{drift}"
        )
    spread = " / ".join(_number(statistics.sd_log(list(v.values()))) for v in (arm.base_t80, arm.new_t80))
    yield f"sd log T80 {spread} | smallest ratio detectable at 80 %: {_number(arm.smallest_detectable, 2)}"
    if arm.final is not None:
        f = arm.final
        yield (
            f"final L_I: base {_median(arm.base_final_nats):.3f}, new {_median(arm.new_final_nats):.3f} nats, shift "
            f"{f.shift:+.3f}, {percent(f.level)} CI [{f.low:+.3f}, {f.high:+.3f}] -> {arm.final_outcome} "
            f"(margin {rule.final_margin_nats:g})"
        )
    statuses = " | ".join(f"{name} {_statuses(side)}" for name, side in (("base", h.base), ("new", h.new)))
    yield f"health: {statuses} -> {h.outcome} ({h.reason})"
    yield f"mean L_I / H(c): base {_median(arm.base_area):.3f}, new {_median(arm.new_area):.3f}"
    yield f"T80 by seed, base: {_times(arm.base_t80)}"
    yield f"T80 by seed, new:  {_times(arm.new_t80)}"


def lines(check: Check, rule: GateTable) -> Iterator[str]:
    """The whole check for a terminal."""
    for arm in check.arms:
        yield from arm_lines(arm, rule)
    for group, why in check.not_gated.items():
        yield f"not gated: {group}: {why}"
    if check.treatment:
        yield "under test: " + "; ".join(check.treatment)
    elif check.arms:
        yield "under test: nothing differs from the baseline's definition, versions and machine"
    yield f"{check.outcome}: {check.reason}"
    if check.next_seeds:
        yield f"to decide, run seeds {check.next_seeds[0]}-{check.next_seeds[-1]} too, once: the answer is then final"


def to_json(check: Check, rule: GateTable) -> dict[str, Any]:
    """Every number, with None for what is not finite."""
    return {"rule": rule.model_dump(), **plain_json(asdict(check))}


def to_junit(check: Check, rule: GateTable) -> bytes:
    """One test case per arm: regressed is a failure, inconclusive an error, so that neither reads as passed."""
    cases = [(arm.group, arm.outcome, arm.reason, "\n".join(arm_lines(arm, rule))) for arm in check.arms]
    if not cases or (check.outcome == "inconclusive" and all(c[1] == "ok" for c in cases)):
        cases.append(("comparison", check.outcome, check.reason, ""))
    counts = {kind: str(sum(c[1] == outcome for c in cases)) for kind, outcome in _JUNIT.items()}
    name = f"mi-convergence.{check.experiment}"
    suite = ElementTree.Element(
        "testsuite", name=name, tests=str(len(cases)), failures=counts["failure"], errors=counts["error"]
    )
    for group, outcome, reason, detail in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=_printable(group))
        kind = next((k for k, o in _JUNIT.items() if o == outcome), None)
        if kind:
            ElementTree.SubElement(case, kind, message=_printable(f"{outcome}: {reason}"))
        ElementTree.SubElement(case, "system-out").text = _printable(detail)
    return ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)


_JUNIT = {"failure": "regressed", "error": "inconclusive"}


def _printable(text: str) -> str:
    """XML 1.0 has no control characters."""
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def history_line(check: Check, rule: GateTable, new: Sweep | None, results: Path) -> dict[str, Any]:
    """One line of history.jsonl: commit, versions, ratio with interval, outcome, and the throughput measured beside it.

    ``results``: where ``python -m bench throughput`` leaves its records.
    """
    run: Run | None = new.runs[0] if new and new.runs else None
    environment = run.environment if run else {}
    arms = {
        arm.group: {"ratio": r.ratio, "low": r.low, "high": r.high, "num_new": r.num_new}
        for arm in check.arms
        if arm.t80 is not None and (r := arm.t80.ratio) is not None
    }
    return {
        "time_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "experiment": check.experiment,
        "commit": environment.get("git_commit", "unknown"),
        "torch": environment.get("packages", {}).get("torch"),
        "training_code": run.cell.config["versions"].get("training_code") if run else None,
        "cpu": environment.get("cpu"),
        "outcome": check.outcome,
        "tolerance": rule.tolerance,
        "margin": rule.margin,
        "arms": plain_json(arms),
        "throughput": plain_json(newest_ratio(results, run)) if run else None,
    }


class _Arm(Recorded):
    ratio: Ratio | None
    low: Ratio | None  # None: without a bound
    high: Ratio | None


class _Line(Recorded):
    experiment: str
    outcome: Literal["ok", "regressed", "inconclusive"]
    arms: dict[str, _Arm]
    commit: Label = "?"
    tolerance: Annotated[float, Field(gt=0, lt=10)] | None = None  # a line of an earlier version does not say
    margin: Annotated[float, Field(gt=0, lt=10)] | None = None
    throughput: StoredRatio | None = None


def read_history(path: Path) -> list[dict[str, Any]]:
    """Lines of history.jsonl, oldest first; one that ``history_line`` did not write is passed over."""
    lines = []
    for line in read_lines(path):
        with contextlib.suppress(ValueError):
            _Line.model_validate(line)
            lines.append(line)
    return lines


def write(check: Check, rule: GateTable, new: Sweep | None, folder: Path, histories: list[Path]) -> None:
    """``check/<experiment>.json`` and ``.xml`` under ``folder``, and a line in each history."""
    text = json.dumps(to_json(check, rule), indent=1, allow_nan=False) + "\n"
    write_atomic(folder / "check" / f"{check.experiment}.json", text.encode())
    write_atomic(folder / "check" / f"{check.experiment}.xml", to_junit(check, rule))
    for history in histories:
        append_line(history, history_line(check, rule, new, folder))
