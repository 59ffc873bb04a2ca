"""The report's first screen: the answer to each claim, its strip of seeds, and the bar that counts the claims."""

import json
import math
import re
from dataclasses import replace
from functools import cache, partial

import pytest

from bench.analysis.runs import Sweep
from bench.claims import cost
from bench.claims.result import BesideResult, ClaimResult, ConditionResult
from bench.claims.verdict import Budget, BudgetKind, ClaimOutcome, Data, DataKind, Verdict
from bench.report import answers, cards, wording
from bench.report.arms import MARGIN, WIDTH, strip
from bench.report.pages import FigureView
from bench.spec.criteria import ClaimTable
from bench.spec.tables import load_spec
from tests.builders import SHIPPED

NOTHING_RUN = Sweep("x", "cpu", {}, "", [])
SAY = partial(wording.measured, "mi_final_fraction")


def condition(measure: str = "mi_final_fraction", over: str = "median seed", **seeds: float) -> ConditionResult:
    values = {int(name[1:]): value for name, value in seeds.items()}
    known = sorted(value for value in values.values() if math.isfinite(value))
    middle = known[len(known) // 2] if known else math.nan
    return ConditionResult(
        measure, "of H(c)", over, "at least 0.5", "a basis", middle, middle >= 0.5, values, limit=0.5
    )


@cache
def papers() -> dict[str, ClaimTable]:
    """The claims of the paper, each as the first experiment that states it does."""
    spec = load_spec(SHIPPED)
    claims = [claim for experiment in spec.experiments.values() for claim in experiment.claims]
    return {claim.id: claim for claim in reversed(claims)}


def result(claim: str, outcome: ClaimOutcome, arm: str = "infogan", held: ConditionResult | None = None) -> ClaimResult:
    """A claim of the paper has its words and first measure."""
    held = held or condition(s0=0.2, s1=0.6, s2=0.9)
    papers_own = papers().get(claim)
    words = {"text": papers_own.text, "plain": papers_own.plain, "said": papers_own.said} if papers_own else {}
    if papers_own or claim == "S6a":
        held = replace(held, measure=papers_own.deciding_first[0].measure if papers_own else cost.MEASURE)
    verdict = Verdict(
        outcome, Data(DataKind.SUBSTITUTE, "a substitute"), Budget(BudgetKind.REDUCED, "reduced (width 0.5)")
    )
    return ClaimResult(
        experiment="own", profile="cpu", claims_digest="", id=claim, arm=arm, source="Figure 9",
        verdict=verdict, value=0.6, low=0.2, high=0.9, unit="of H(c)", num_measured=3, num_seeds=3, seeds_holding=2,
        seeds_low=0.1, seeds_high=0.9, criterion="", reason="a reason", conditions=(held,),
        **({"text": "A text."} | words),
    )  # fmt: skip


def test_every_claim_of_the_paper_has_plain_words_and_they_take_its_numbers() -> None:
    spec = load_spec(SHIPPED)
    assert spec.cost
    assert spec.cost.plain
    for claim, table in papers().items():
        assert table.plain
        words = answers.ours([result(claim, ClaimOutcome.PARTLY)])
        assert words
        assert "{" not in words
        assert answers.needed(result(claim, ClaimOutcome.PARTLY)).startswith("≥ ")
        assert all(beside.said for beside in table.beside)


def test_a_bound_is_said_as_its_number_is() -> None:
    def needed(claim: str, bound: str, limit: float) -> str:
        return answers.needed(
            result(claim, ClaimOutcome.PARTLY, held=replace(condition(s0=0.2), bound=bound, limit=limit))
        )

    assert needed("F2c", "at least 0.2", 0.2) == "≥ 20 %"
    assert needed("F2a", "at most 0.055", 0.055) == "≤ 5.5 %"
    assert needed("S6a", "at most 1.1", 1.1) == "≤ 10 %"
    assert needed("F6a", "above the best of gan (0.1)", 0.1) == ""
    assert needed("X1", "at least 0.2", 0.2) == ""


def test_a_share_is_rounded_alike_with_and_without_per_cent() -> None:
    """0.3685 is a little less than that in binary, and a hundred times it a little more than 36.85."""
    wrong = replace(result("F2a", ClaimOutcome.NOT_REACHED), value=0.3685)
    assert wording.measured("digit_error", wrong.value) == "0.368"
    assert answers.ours([wrong]) == "36.8 % of digits in a wrong category"
    assert wording.percent(0.3685, 1) == "36.8"
    assert [wording.percent(value) for value in (math.nan, math.inf, 0.005)] == [wording.ABSENT, "not reached", "1"]


def test_a_median_has_its_interval_where_that_is_asked() -> None:
    def shown(claim: str, low: float | None = 0.2) -> str:
        return answers.ours([replace(result(claim, ClaimOutcome.PARTLY), low=low)], with_interval=True)

    assert shown("F2c") == "explains 60 % [20, 90] of the slant's variance"
    assert shown("F6a", -math.inf) == "explain 60 % [nothing, 90] of its variance"
    assert shown("F5a", None) == "by 0.60 of the range"
    late = replace(result("S6b", ClaimOutcome.PARTLY), high=math.inf)
    assert answers.ours([late], with_interval=True) == "in 60 % [20, not reached] of the iterations that quality takes"
    same = replace(result("F2c", ClaimOutcome.PARTLY), low=0.6, high=0.6)
    assert answers.ours([same], with_interval=True) == "explains 60 % of the slant's variance"
    assert answers.ours([result("F5a", ClaimOutcome.PARTLY)]) == "by 0.60 of the range"
    nothing = replace(result("F5a", ClaimOutcome.NOT_REACHED), value=-math.inf, low=-math.inf, high=-math.inf)
    assert answers.ours([nothing], with_interval=True) == "most seeds show nothing of it"


def test_a_number_is_not_rounded_to_the_bound_that_it_misses() -> None:
    held = replace(condition("slant_first_order", s0=0.1995), limit=0.2)
    near = replace(result("F2c", ClaimOutcome.PARTLY, held=held), value=0.22, low=0.1995, high=0.355)
    assert answers.ours([near], with_interval=True) == "explains 22.00 % [19.95, 35.50] of the slant's variance"
    assert answers.ours([near]) == "explains 22 % of the slant's variance"
    at_bound = replace(near, low=0.2)
    assert answers.ours([at_bound], with_interval=True) == "explains 22 % [20, 35] of the slant's variance"


def test_a_number_that_is_not_there_has_a_word_everywhere() -> None:
    """No "nan" or "inf%" is shown for the best run, for the median, or for the paper's measure beside them."""
    undecided = result("F3a", ClaimOutcome.NOT_MEASURED, held=condition(over="best seed", s0=math.nan))
    assert answers.ours([undecided]) == f"by {wording.ABSENT} of the range in the best run, 0.60 in the median"
    nothing = replace(undecided, value=-math.inf)
    assert answers.ours([nothing]) == f"by {wording.ABSENT} of the range in the best run, nothing in the median"
    held = replace(condition("digit_error", s0=0.2), bound="at most 0.055", limit=0.055)
    diverged = replace(result("F2a", ClaimOutcome.NOT_REPRODUCED, held=held), value=math.inf)
    assert answers.ours([diverged], with_bound=True) == "most seeds show nothing of it, ≤ 5.5 % needed"
    beside = BesideResult("digit_error", "of images", 0.05, math.nan, {}, "{median:.0%}")
    (card,) = cards.cards([replace(result("F2b", ClaimOutcome.PARTLY), beside=(beside,))], {})
    assert (card.arms[0].number, card.paper) == (
        "agreement with the digit (NMI) 0.60 [0.20, 0.90], ≥ 0.5 needed",
        "5 %",
    )


def test_a_claim_about_cost_shows_the_span_of_its_networks() -> None:
    networks = [replace(result("S6a", ClaimOutcome.REPRODUCED, arm), value=v) for arm, v in (("a", 1.01), ("b", 1.08))]
    assert answers.ours(networks) == "an iteration takes 1.0 % to 8.0 % longer"
    assert answers.ours(networks[1:]) == "an iteration takes 8.0 % longer"
    faster = [replace(networks[0], value=v) for v in (0.98, 0.95)]
    assert answers.ours(faster) == "an iteration takes 2.0 % to 5.0 % shorter"
    assert answers.ours([faster[0], networks[1]]) == "an iteration takes -2.0 % to 8.0 % longer"


@pytest.mark.parametrize(("worst", "bound"), [(-math.inf, "at least 0.5"), (math.inf, "at most 0.5")])
def test_a_result_is_read_back_from_its_line_of_claims_json(worst: float, bound: str) -> None:
    held = replace(condition(s0=math.nan, s1=0.9), value=worst, bound=bound)
    beside = BesideResult("t80", "iterations", 21.0, math.nan, {0: math.nan}, "80% of it at iteration {median:.0f}")
    whole = result("F3a", ClaimOutcome.NOT_REACHED, held=held)
    whole = replace(whole, variant="tables", value=worst, low=worst, num_blank=1, beside=(beside,))
    open_ = replace(
        result("F3a", ClaimOutcome.NOT_MEASURED, held=replace(held, value=math.nan)), value=None, num_measured=0
    )
    for one in (whole, open_):
        again = ClaimResult.from_json(json.loads(json.dumps(one.to_json())))
        assert repr(again) == repr(one)  # NaN is not equal to NaN
    with pytest.raises(ValueError, match="not a judged claim: KeyError"):
        ClaimResult.from_json({"verdict": "reproduced"})
    with pytest.raises(ValueError, match="num_seeds"):
        ClaimResult.from_json(whole.to_json() | {"num_seeds": "many"})


def test_a_claim_without_words_is_shown_by_its_text_and_measure() -> None:
    (card,) = cards.cards([result("X1", ClaimOutcome.PARTLY)], {})
    assert card.plain == card.first.text == "A text."
    assert card.arms[0].number == "final L_I 0.600 of H(c)"


def test_a_claim_of_ones_own_is_said_in_the_words_of_its_table() -> None:
    own = replace(
        result("F2a", ClaimOutcome.PARTLY), plain="Kinds are held.", said="{median:.0%} of kinds, {median:.2f}°"
    )
    (card,) = cards.cards([own], {})
    assert card.plain == "Kinds are held."
    assert card.arms[0].number == "60 % [20, 90] of kinds, 0.60 [0.20, 0.90]°, ≥ 50 % needed"
    assert ClaimResult.from_json(own.to_json()).said == own.said
    with pytest.raises(ValueError, match="expected a number in it"):
        ClaimResult.from_json(own.to_json() | {"said": "{median}"})


def test_arms_that_were_not_run_are_told_only_where_no_arm_of_the_claim_was() -> None:
    ran, waits = result("F1", ClaimOutcome.PARTLY), result("F1", ClaimOutcome.NOT_MEASURED, "infogan-fast-q")
    waits = replace(waits, num_seeds=0, value=None)
    other = replace(waits, id="F2a")
    assert cards.told([waits, ran, other, replace(other, arm="gan")]) == [ran, other]


def test_the_first_decided_arm_answers_whatever_it_says_and_the_bar_counts_claims_not_arms() -> None:
    found = cards.cards(
        [
            result("F1", ClaimOutcome.PARTLY),
            result("F1", ClaimOutcome.REPRODUCED, "infogan-fast-q"),
            result("F2a", ClaimOutcome.NOT_MEASURED),
            result("F2a", ClaimOutcome.NOT_REACHED, "infogan-fast-q"),
        ],
        {},
    )
    assert [[arm.name for arm in card.arms] for card in found] == [
        ["infogan", "infogan-fast-q"],
        ["infogan-fast-q", "infogan"],
    ]
    assert [(share.words, share.count) for share in cards.shares(found)] == [("partly", 1), ("not at this budget", 1)]
    assert cards.summary(found) == "Partly on substitutes. Of 2 claims: 1 partly and 1 not at this budget."
    assert cards.summary([]) == ""


def test_a_reason_says_what_was_missed_or_that_the_best_run_decides() -> None:
    missed = condition(s0=0.2, s1=0.3, s2=0.9)
    (arm,) = cards.cards([result("own", ClaimOutcome.NOT_REACHED, held=missed)], {})[0].arms
    assert arm.why == "final L_I: 0.300 of H(c), at least 0.5 asked"
    (arm,) = cards.cards([result("F2c", ClaimOutcome.NOT_REACHED, held=missed)], {})[0].arms
    assert (arm.number, arm.why) == ("explains 60 % [20, 90] of the slant's variance, ≥ 50 % needed", "")
    best = condition(over="best seed", s0=0.9)
    (arm,) = cards.cards([result("F3a", ClaimOutcome.REPRODUCED, held=best)], {})[0].arms
    assert arm.why == "the best run decides, as the paper asks"
    (arm,) = cards.cards([result("F3a", ClaimOutcome.NOT_MEASURED)], {})[0].arms
    assert arm.why == "a reason"


def test_a_partial_answer_says_what_holds() -> None:
    missed, held = condition(s0=0.2, s1=0.3), condition(s0=0.9, s1=0.8)

    def why(*conditions: ConditionResult) -> str:
        judged = replace(result("own", ClaimOutcome.PARTLY), said="{median:.0%}", conditions=conditions)
        return cards.cards([judged], {})[0].arms[0].why

    assert why(missed, held) == "final L_I: 0.900 of H(c) meets at least 0.5"
    assert why(missed, held, replace(held, guard=True)) == why(missed, held)
    assert why(held, missed) == "final L_I: 0.300 of H(c), at least 0.5 asked"
    assert why(held, held) == "every condition holds in the median, but too few seeds meet all of them"


def test_a_strip_has_a_dot_for_every_seed_in_proportion() -> None:
    drawn = str(strip(condition(s0=0.0, s1=0.5, s2=1.0, s3=math.nan), 0.5, SAY))
    places = [float(x) for x in re.findall(r'cx="([\d.]+)"', drawn)]
    assert places == [MARGIN, WIDTH / 2, WIDTH - MARGIN]
    assert f'class="bound" d="M{WIDTH / 2:.1f}' in drawn
    assert re.findall(r"<text [^>]*>([^<]*)</text>", drawn) == ["0.000", "1.000"]
    assert "every seed: 0.000, 0.500, 1.000; asked: at least 0.5" in drawn
    assert str(strip(condition(s0=math.nan), None, SAY)) == ""


@pytest.mark.parametrize(
    ("claim", "ends"), [("F1", ["20.0 %", "90.0 %"]), ("F2c", ["20 %", "90 %"]), ("F4a", ["0°", "1°"])]
)
def test_the_ends_of_a_strip_are_said_as_the_number_above_it(claim: str, ends: list[str]) -> None:
    (arm,) = cards.cards([result(claim, ClaimOutcome.PARTLY)], {})[0].arms
    assert re.findall(r"<text [^>]*>([^<]*)</text>", str(arm.strip)) == ends


def test_the_line_of_a_strip_is_the_median_that_counts_seeds_which_show_nothing() -> None:
    seeds = condition(s0=0.0, s1=0.5, s2=1.0, s3=-math.inf)
    assert f'class="median" d="M{WIDTH / 4 + MARGIN / 2:.1f}' in str(strip(seeds, 0.25, SAY))
    assert "median" not in str(strip(seeds, -math.inf, SAY))


def test_the_picture_of_a_claim_is_shown_with_it() -> None:
    picture = a_figure("mutual-information")
    (card,) = cards.cards([result("F1", ClaimOutcome.REPRODUCED)], {"F1": (picture,)})
    assert card.pictures == (picture,)


def a_figure(name: str, variant: str = "", factor: str = "") -> FigureView:
    file = f"figures/{name}-{variant}-{factor}.png"
    return FigureView("A figure", "What it shows.", file, f"data:,{file}", name, variant, factor)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("t80", a_figure("mutual-information", "authors")),
        ("sample_nmi", a_figure("trajectory", "authors")),
        ("azimuth_range_share", a_figure("factor-azimuth-infogan", "authors", "azimuth")),
    ],
)
def test_a_claim_is_shown_by_the_figure_of_its_variant_with_its_measure(name: str, shown: FigureView) -> None:
    """Not by that of another variant, and not by one whose factor or name only begins with the same letters."""
    others = [
        a_figure("losses", "authors"),
        *(a_figure(kind, variant) for kind in ("mutual-information", "trajectory") for variant in ("", "authors-long")),
        a_figure("factor-azimuth-infogan", "tables", "azimuth"),
        a_figure("factor-azimuth-two-infogan", "authors", "azimuth_two"),
    ]
    claim = replace(result("F1", ClaimOutcome.REPRODUCED), variant="authors")
    claim = replace(claim, conditions=(replace(claim.conditions[0], measure=name),))
    pictures = cards.claim_pictures([claim], NOTHING_RUN, [*others, shown], {})
    assert pictures == {"F1": (shown,)}
    assert cards.claim_pictures([claim], NOTHING_RUN, others, {}) == {"F1": ()}


@pytest.mark.parametrize("value", [-1.0, 0.5, 3.0])
def test_equal_values_do_not_divide_by_nothing(value: float) -> None:
    held = ConditionResult("t80", "iterations", "every seed", "", "", value, True, {0: value, 1: value})
    assert str(strip(held, value, SAY)).count("<circle") == 2
