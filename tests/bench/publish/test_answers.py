"""README's answers and the page of the whole paper: readings, budgets and remarks."""

from dataclasses import replace

from bench.claims.verdict import ClaimOutcome, Data, DataKind
from bench.publish import answers
from bench.report.evidence import Evidence
from tests.bench.report.test_cards import condition, result

BEST = condition(over="best seed", s0=0.2, s1=0.6, s2=0.9)
YES = Evidence(result("F4a", ClaimOutcome.REPRODUCED, held=BEST), "chairs-paper", is_papers_budget=True)
NO = Evidence(
    replace(result("F4a", ClaimOutcome.NOT_REACHED, arm="infogan-fast-q", held=BEST), remark="smudges"),
    "chairs-cpu",
    is_papers_budget=False,
)


def test_the_first_arm_answers_and_arms_that_say_otherwise_stand_apart_with_remarks() -> None:
    yes = "**yes**, on a substitute"
    assert answers.answer([YES, NO]) == (yes, "smaller budget: `infogan-fast-q` (smudges) not at this budget")
    assert answers.answer([replace(NO, is_papers_budget=True), YES]) == (
        "**not at this budget**, on a substitute (smudges)",
        "`infogan` yes",
    )
    assert answers.answer([NO]) == ("**not at this budget**, on a substitute (smudges)", "")
    assert answers.answer([YES]) == (yes, "")


def test_an_answer_is_on_a_substitute_only_if_every_arms_is() -> None:
    papers = replace(YES.result, verdict=replace(YES.result.verdict, data=Data(DataKind.PAPERS, DataKind.PAPERS)))
    assert answers.answer([replace(YES, result=papers), NO])[0] == "**yes**"


def test_variants_are_named_alone_if_they_are_of_one_arm() -> None:
    def of(variant: str, arm: str, one: Evidence = NO) -> Evidence:
        return replace(one, result=replace(one.result, variant=variant, arm=arm, remark=""))

    alone, with_others = (
        answers.answer([of("one", "infogan", YES), of("tables", arm)])[1] for arm in ("infogan", "gan")
    )
    assert alone == "smaller budget: `tables` not at this budget"
    assert with_others == "smaller budget: `tables/gan` not at this budget"


def test_arms_that_agree_with_the_first_are_not_named_and_others_are_grouped_by_budget_and_answer() -> None:
    agrees = replace(YES, result=replace(YES.result, arm="gan"), is_papers_budget=False)
    partly = replace(YES, result=result("F4a", ClaimOutcome.PARTLY, arm="gan-shared"))
    also_not = replace(NO, result=replace(NO.result, arm="gan-fast-q", remark=""))
    assert answers.answer([YES, agrees, partly, NO, also_not])[1] == (
        "`gan-shared` partly; smaller budget: `infogan-fast-q` (smudges) and `gan-fast-q` not at this budget"
    )


def test_the_counts_are_those_of_each_claims_first_arm() -> None:
    assert answers.summary([YES, NO]) == "The claim on substitutes: yes. Each by its first arm."
    assert answers.summary([NO]) == "The claim on substitutes: not at this budget. Each by its first arm."


def test_of_equal_budgets_the_first_arm_leads_whatever_it_says() -> None:
    partly = replace(YES, result=result("F1", ClaimOutcome.PARTLY))
    yes = replace(YES, result=result("F1", ClaimOutcome.REPRODUCED, arm="infogan-fast-q"))
    assert answers.summary([partly, yes]) == "The claim on substitutes: partly. Each by its first arm."


def test_a_claim_on_cost_is_counted_apart_from_those_on_data() -> None:
    cost = result("S6a", ClaimOutcome.REPRODUCED)
    cost = replace(cost, verdict=replace(cost.verdict, data=Data(DataKind.ANY, "")))
    counted = answers.summary([YES, replace(YES, result=cost)])
    assert counted == "The claim on substitutes: yes. The claim on cost: yes. Each by its first arm."


def test_the_page_has_a_line_for_each_arm_with_its_interval_and_remark() -> None:
    (row,) = [line for line in answers.page([YES, NO]).splitlines() if "smudges" in line]
    assert row.startswith("| | `infogan-fast-q` | not at this budget on a substitute; smudges |")
    assert "[0.2, 0.9] in the median" in row


def test_each_claim_of_the_table_links_to_the_report_of_its_first_arm() -> None:
    (row,) = [line for line in answers.table([NO, YES]).splitlines() if "F4a" in line]
    assert row.startswith("| [F4a](results/reference/chairs-paper/report.md) |")
