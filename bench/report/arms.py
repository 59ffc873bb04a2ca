"""One claim for one arm as a report shows it: on its card, and in the table of criteria."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from bench.claims.result import BesideResult, ClaimResult, ConditionResult
from bench.claims.verdict import ClaimOutcome
from bench.console import plural
from bench.report import answers, wording
from bench.spec.vocabulary import measure

WIDTH, HEIGHT, MARGIN = 220, 26, 8  # of a strip of seeds, pixels; its axis is below it
AXIS = 14
BADGES = {
    ClaimOutcome.REPRODUCED: ("yes", "✓"),
    ClaimOutcome.PARTLY: ("part", "◐"),
    ClaimOutcome.NOT_REPRODUCED: ("no", "✗"),
    ClaimOutcome.NOT_REACHED: ("budget", "○"),
    ClaimOutcome.NOT_MEASURED: ("none", wording.ABSENT),
}


@dataclass(frozen=True)
class Badge:
    """A verdict's class for its colour, a sign for those who do not see it, and its words."""

    kind: str
    sign: str
    text: str


@dataclass(frozen=True)
class Criterion:
    """One condition of a claim."""

    sign: str  # met, missed or unknown
    text: str
    basis: str


@dataclass(frozen=True)
class ArmView:
    """A judged claim, in words."""

    result: ClaimResult
    where: str = ""  # on a page over several folders: the folder, with the address of its section
    href: str = ""

    @property
    def name(self) -> str:
        return self.result.group

    @property
    def badge(self) -> Badge:
        verdict = self.result.verdict
        return Badge(*BADGES[verdict.outcome], answers.in_words(verdict))

    # ---- on the card
    @property
    def number(self) -> str:
        """The claim's first number with its bound, what stands beside it, a remark; a dash for no number."""
        number = answers.ours([self.result], with_bound=True, with_interval=True)
        return "; ".join(filter(None, (number, self.result.remark)))

    @property
    def seeds(self) -> str:
        """How many seeds meet all of the claim; empty for one that speaks of none."""
        return answers.holding(self.result, " seeds")

    @property
    def strip(self) -> Markup:
        """The seeds of the first condition, drawn."""
        return strip(self.result.conditions[0], self.result.value, partial(answers.said, self.result))

    @property
    def why(self) -> str:
        """Why the answer is not a plain yes, what makes it partly one, or that the best run decides."""
        result, outcome = self.result, self.result.verdict.outcome
        if outcome is ClaimOutcome.NOT_MEASURED:
            return result.reason
        parts = []
        if outcome is ClaimOutcome.REPRODUCED:
            if result.conditions[0].over == "best seed":
                parts.append("the best run decides, as the paper asks")
        else:
            said = 1 if answers.needed(result) else 0  # beside the number
            parts += [_missed(condition) for condition in result.conditions[said:] if not condition.holds]
        if outcome is ClaimOutcome.PARTLY and all(condition.holds for condition in result.conditions):
            parts.append("every condition holds in the median, but too few seeds meet all of them")
        elif outcome is ClaimOutcome.PARTLY and not result.conditions[0].holds:
            parts += [_met(condition) for condition in result.conditions if condition.holds and not condition.guard]
        if result.num_blank:
            parts.append(f"{plural(result.num_blank, 'run')} {_show(result)} nothing of the data")
        return "; ".join(parts)

    # ---- in the table of criteria
    @property
    def measure(self) -> str:
        return measure(self.result.conditions[0].measure).words

    @property
    def value(self) -> str:
        """Median and interval of the first condition's measure."""
        result = self.result
        return wording.with_interval(result.conditions[0].measure, result.value, result.low, result.high)

    @property
    def unit(self) -> str:
        """The unit, and of how many seeds the value is where not of all; empty where a word stands for the value."""
        unit = f"{self.result.unit}{answers.of_seeds(self.result)}".lstrip()
        return "" if self.value in wording.WORDS else unit

    @property
    def holding(self) -> str:
        """How many seeds meet all of the claim, and how many diverged or show nothing; a dash without seeds."""
        result = self.result
        diverged = result.num_seeds - len(result.conditions[0].seeds)  # they count as seeds and have no value
        text = answers.holding(result) or wording.ABSENT
        text += f", {diverged} diverged" if diverged else ""
        return text + (f", {result.num_blank} {_show(result)} nothing of the data" if result.num_blank else "")

    @property
    def holding_interval(self) -> str:
        """Clopper and Pearson's interval of the share of seeds; empty where no seed is asked."""
        low, high = (wording.number(end, 2) for end in (self.result.seeds_low, self.result.seeds_high))
        return f"[{low}, {high}]" if self.result.num_seeds else ""

    @property
    def criteria(self) -> list[Criterion]:
        return [_criterion(condition) for condition in self.result.conditions]

    @property
    def beside(self) -> list[str]:
        """The paper's numbers and ours; of the claim's own number the paper's alone, since ours stands beside it."""
        own = self.result.conditions[0].measure
        return [_beside(beside, is_own=beside.measure == own) for beside in self.result.beside]

    @property
    def reason(self) -> str:
        """Why nothing was decided; empty for a verdict."""
        return "" if self.result.verdict.is_measured else self.result.reason


def _show(result: ClaimResult) -> str:
    return "shows" if result.num_blank == 1 else "show"


def _missed(condition: ConditionResult) -> str:
    return f"{_valued(condition)}, {condition.bound} asked"


def _met(condition: ConditionResult) -> str:
    return f"{_valued(condition)} meets {condition.bound}"


def _valued(condition: ConditionResult) -> str:
    known = measure(condition.measure)
    return f"{known.words}: {wording.measured(known.name, condition.value)} {condition.unit}".rstrip()


def _criterion(condition: ConditionResult) -> Criterion:
    unknown = math.isnan(condition.value)
    sign = wording.ABSENT if unknown else "✓" if condition.holds else "✗"
    where = "worst seed" if condition.over == "every seed" and not unknown else condition.over
    has_none = all(map(math.isnan, condition.seeds.values()))  # blank or diverged, all
    is_nothing = math.isinf(condition.value) and has_none
    number = "none shows it" if is_nothing else wording.measured(condition.measure, condition.value)
    found = "" if unknown else f" {number}"
    asked = f"{measure(condition.measure).words} {condition.bound} {condition.unit}".rstrip()
    text = f"{asked}; {where}{found}"
    return Criterion(sign, text, condition.basis)


def _beside(beside: BesideResult, *, is_own: bool) -> str:
    known, ours = measure(beside.measure), wording.measured(beside.measure, beside.median)
    if is_own:
        return f"{beside.paper:g} {known.unit}".rstrip()
    unit = "" if known.unit.startswith("iteration") or ours == wording.ABSENT else f" {known.unit}"
    return f"{known.words} {beside.paper:g}, here {ours}{unit}"


def strip(condition: ConditionResult, median: float | None, say: Callable[[float], str]) -> Markup:
    """A drawing of every seed's value as a dot, the median as a line, the bound dashed, and the ends as numbers.

    Empty without a seed. Seeds that show nothing have no dot, but the median counts them: it may have no place.
    """
    values = {seed: value for seed, value in condition.seeds.items() if math.isfinite(value)}
    if not values:
        return Markup("")
    limits = [condition.limit] if math.isfinite(condition.limit) else []
    low, high = min([*values.values(), *limits]), max([*values.values(), *limits])
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * (value - low) / span

    ordered = sorted(values.values())
    dots = "".join(
        f'<circle cx="{x(value):.1f}" cy="13" r="4"><title>seed {seed}: {say(value)}</title></circle>'
        for seed, value in values.items()
    )
    lines = ""
    if median is not None and low <= median <= high:
        lines = f'<path class="median" d="M{x(median):.1f} 3V23"/>'
    lines += "".join(f'<path class="bound" d="M{x(limit):.1f} 0V26"/>' for limit in limits)
    ends = [low] if high == low else [low, high]
    lines += "".join(
        f'<text x="{x(end):.1f}" y="{HEIGHT + AXIS - 3}"{end_anchor}>{say(end)}</text>'
        for end, end_anchor in zip(ends, ("", ' text-anchor="end"'), strict=False)
    )
    label = f"{measure(condition.measure).words}, every seed: {', '.join(map(say, ordered))}"
    label += f"; asked: {condition.bound}" if limits else ""
    attributes = (
        f'class="strip" viewBox="0 0 {WIDTH} {HEIGHT + AXIS}" width="{WIDTH}" height="{HEIGHT + AXIS}" role="img"'
    )
    return Markup('<svg {} aria-label="{}">{}</svg>').format(Markup(attributes), label, Markup(lines + dots))
