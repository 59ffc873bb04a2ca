"""``report``: writes the report on what is there and prints its claim table."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.console import BadInput, console, escape, new_table, say
from bench.context import require_folder, require_profile, require_writable
from bench.spec import cells as cell_module
from bench.spec.tables import load_spec

if TYPE_CHECKING:
    from bench.claims.judge import ClaimResult


def report(
    experiments: list[str] | None, spec: Path, results: Path, profile: str | None, settings: Sequence[str]
) -> None:
    """Write the report on what is there and print its claim table."""
    from bench.report import write_report

    loaded = load_spec(spec, settings)
    for name in experiments or []:
        cell_module.experiment_table(loaded, name)
    require_profile(profile)
    require_folder("results", results)
    if not results.exists():
        raise BadInput(f"{results} does not exist; `python -m bench run` makes it")
    require_writable(results)
    written = write_report(results.absolute(), loaded, experiments=experiments, profile=profile)
    print_claims(written.claims)
    for line in written.left_out:
        say(escape(line))
    for line in written.missing:
        say(f"[yellow]missing:[/yellow] {escape(line)}")
    say(f"report: {escape(str(written.html))}")


def print_claims(claims: "list[ClaimResult]") -> None:
    """The claim table on the console, in the report's words."""
    from bench.report.verdicts import claim_rows

    table = new_table("claim", "arm", "verdict", "value", "seeds")
    table.columns[0].no_wrap = True
    styles = {"yes": "green", "part": "yellow", "none": "dim"}
    for row in claim_rows(claims):
        for arm in row.arms:
            verdict = f"[{styles.get(arm.badge.kind, 'red')}]{escape(arm.badge.text)}[/]"
            value = escape(f"{arm.value} {arm.unit}".rstrip())
            table.add_row(escape(row.id), escape(arm.arm), verdict, value, arm.holding)
    if claims:
        console.print(table)
    for data, budget in dict.fromkeys((c.verdict.data.words, c.verdict.budget.words) for c in claims):
        say(f"data: {escape(data)}; budget: {escape(budget)}")
