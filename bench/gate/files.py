"""What a check writes: JSON, JUnit XML for other people's CI, Markdown, and a line in the histories."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from bench.analysis.runs import Sweep
from bench.gate.compare import Check
from bench.gate.history import history_line
from bench.gate.markdown import to_markdown
from bench.gate.output import arm_lines, outcome_of, verdict, watched_line
from bench.records.locks import Lock
from bench.records.storage import append_line, plain_json, plain_text, write_atomic
from bench.spec.criteria import GateTable

_JUNIT = {"failure": "regressed", "error": "inconclusive"}
PATIENCE_S = 60.0  # longest wait for other checks that write a history; each holds it for milliseconds


def to_json(check: Check, rule: GateTable, *, strict: bool = False) -> dict[str, Any]:
    """The check as JSON: every number, None for one that is not finite; ``verdict`` is the line for people."""
    answer = {"verdict": verdict(check, rule), "is_worse": check.is_worse, "passed": outcome_of(check, strict) == "ok"}
    return {"rule": rule.model_dump(), "strict": strict, **answer, **plain_json(asdict(check))}


def to_junit(check: Check, rule: GateTable, *, strict: bool = False) -> bytes:
    """A test case per arm and watched number: regressed is a failure, inconclusive an error: neither reads as passed.

    A change within the tolerance is a note in system-out; with ``strict`` one for the worse is a failure too.
    """
    cases = [
        (arm.group, outcome_of(arm, strict), verdict(arm, rule), "\n".join(arm_lines(arm, rule))) for arm in check.arms
    ]
    cases += [
        (f"{one.group}.{one.measure}", one.outcome, f"{one.outcome}: {one.reason}", watched_line(one))
        for one in check.watched
    ]
    if not cases or (check.outcome == "inconclusive" and all(c[1] == "ok" for c in cases)):
        cases.append(("comparison", check.outcome, f"{check.outcome}: {check.reason}", ""))
    counts = {kind: str(sum(c[1] == outcome for c in cases)) for kind, outcome in _JUNIT.items()}
    name = f"mi-convergence.{check.experiment}"
    suite = ElementTree.Element(
        "testsuite", name=name, tests=str(len(cases)), failures=counts["failure"], errors=counts["error"]
    )
    for group, outcome, said, detail in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=_printable(group))
        kind = next((k for k, o in _JUNIT.items() if o == outcome), None)
        if kind:
            ElementTree.SubElement(case, kind, message=_printable(said))
        ElementTree.SubElement(case, "system-out").text = _printable(f"{said}\n{detail}")
    return ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)


def _printable(text: str) -> str:
    """XML 1.0 has no control characters."""
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def write(
    check: Check, rule: GateTable, new: Sweep | None, folder: Path, histories: list[Path], *, strict: bool = False
) -> str:
    """Write ``check/<experiment>.json``, ``.xml`` and ``.md`` under ``folder``, and a line in each history.

    Returns the JSON text. Raises Locked.
    """
    text = plain_text(to_json(check, rule, strict=strict))
    files = {
        "json": text.encode(),
        "xml": to_junit(check, rule, strict=strict),
        "md": to_markdown(check, rule, strict=strict).encode(),
    }
    for kind, content in files.items():
        write_atomic(folder / "check" / f"{check.experiment}.{kind}", content)
    for history in histories:  # appending reads and replaces the whole file
        with Lock(history.with_name(".history.lease"), f"check {os.getpid()}", patience_s=PATIENCE_S):
            append_line(history, history_line(check, rule, new, folder).model_dump())
    return text
