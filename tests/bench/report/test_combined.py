"""One page over several folders and packs: the best evidence answers each claim, whatever the order of the folders."""

import re
import shutil
from base64 import b64encode
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from bench.claims.result import ClaimResult
from bench.claims.verdict import ClaimOutcome, Data, DataKind
from bench.commands.report import report
from bench.console import BadInput
from bench.context import DEFAULT_SPEC
from bench.records.packs import pack
from bench.report import cards, evidence, names_of
from bench.report.build import collect
from bench.report.combined import MAX_PICTURE, smaller
from bench.report.kept import FILE, Kept, read_kept
from bench.report.sentences import sentence
from bench.spec.tables import Spec, load_spec
from tests.bench.recorded_sweep import planned, record
from tests.bench.report.test_cards import result

REFERENCES = Path(__file__).parents[3] / "results" / "reference"
PICTURE = '[{{"group": "gan", "seed": 0, "code": "c1", "inline": "", "file": "{}", "best": false, "role": ""}}]'


@pytest.fixture(scope="module")
def two(spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with all seeds of one arm, and a pack with two seeds of another arm, which are too few to judge."""
    full, packed = tmp_path_factory.mktemp("full"), tmp_path_factory.mktemp("packed")
    for cell in planned(spec):
        if cell.arm == "infogan-fast-q":
            record(full, cell)
        elif cell.arm == "infogan" and cell.seed < 2:
            record(packed, cell)
    pack(packed, packed / "cells.zip")
    (full / "report").mkdir()
    (full / "report" / "index.html").write_text("its own report")
    return full, packed / "cells.zip"


def test_one_page_over_a_folder_and_a_pack(two: tuple[Path, Path], tmp_path: Path, capsys: Any) -> None:
    page = tmp_path / "all.html"
    report(None, DEFAULT_SPEC, two, None, to=page)
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"report: {page}"
    assert next(line for line in said if line.startswith("F1 yes: ")).endswith("(infogan-fast-q, 5 of 5 seeds)")
    assert any(line.startswith("F1 open: 2 seeds ended, 5 needed (infogan") for line in said)
    html = unescape(page.read_text())
    assert "Do InfoGAN's claims hold? Partly on the paper's data. Of 2 claims: 1 yes and 1 open." in html
    assert "default-src 'none'" in html
    (address,) = re.findall(r"""(?:src|href)=["'](?!data:|#)([^"']*)""", html)
    assert (page.parent / address).resolve() == two[0] / "report" / "index.html"
    anchors = set(re.findall(r'href="#([^"]+)"', html))
    assert anchors
    assert anchors <= set(re.findall(r'id="([^"]+)"', html))
    assert html.index("Figure 1") < html.index('<section id="folder-')  # the claims come first


@pytest.mark.parametrize(
    ("results", "to", "says"),
    [
        (["a", "b"], None, "--to FILE.html"),
        (["a"], "a.html", "does not exist"),
        (["a"], ".", "is a folder"),
        (["a"], "a.pdf", "FILE.html"),
    ],
)
def test_bad_input_is_one_line(results: list[str], to: str | None, says: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=re.escape(says)):
        report(None, DEFAULT_SPEC, [tmp_path / name for name in results], None, to=tmp_path / to if to else None)


def test_a_folder_without_records_is_bad_input_and_names_those_inside_that_have_some(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    for to in None, tmp_path / "all.html":
        with pytest.raises(BadInput, match=r"holds no records$"):
            report(None, DEFAULT_SPEC, [tmp_path], None, to=to)
    (tmp_path / "full").symlink_to(two[0])
    with pytest.raises(BadInput, match=r"holds no records; choose one of its folders: full$"):
        report(None, DEFAULT_SPEC, [tmp_path], None)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_only_what_was_asked_for_is_missing(two: tuple[Path, Path], tmp_path: Path, capsys: Any) -> None:
    report(["mnist-mi", "faces"], DEFAULT_SPEC, two, None, to=tmp_path / "all.html")
    assert "missing: faces: nothing recorded" in capsys.readouterr().out.splitlines()


def test_a_file_that_is_no_pack_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "cells.zip").write_bytes(b"no archive")
    with pytest.raises(BadInput, match=r"cells\.zip"):
        report(None, DEFAULT_SPEC, [tmp_path / "cells.zip"], None, to=tmp_path / "all.html")


def pieces(claim: ClaimResult, folder: str, profile: str) -> list[evidence.Evidence]:
    return evidence.of_folder([replace(claim, profile=profile)], folder)


@pytest.mark.parametrize("turned", [False, True])
def test_the_papers_budget_answers_where_it_was_measured(turned: bool) -> None:
    small = pieces(result("F1", ClaimOutcome.REPRODUCED), "a", "cpu")
    large = pieces(result("F1", ClaimOutcome.PARTLY), "b", "paper")
    empty = pieces(result("F1", ClaimOutcome.NOT_MEASURED), "c", "paper")
    ordered = [*small, *large, *empty]
    (found,) = evidence.best(reversed(ordered) if turned else ordered)
    assert [one.folder for one in found] == ["b"]
    (found,) = evidence.best(reversed([*empty, *small]) if turned else [*empty, *small])
    assert [one.folder for one in found] == ["a"]


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_equal_budgets_and_seeds_the_longer_runs_answer(turned: bool) -> None:
    short, long = (replace(result("F4a", ClaimOutcome.PARTLY), iterations=n) for n in (1200, 5000))
    ordered = [*pieces(short, "a", "cpu"), *pieces(long, "b", "cpu")]
    (found,) = evidence.best(reversed(ordered) if turned else ordered)
    assert [one.folder for one in found] == ["b"]
    more = pieces(replace(short, num_seeds=long.num_seeds + 1), "c", "cpu")
    (found,) = evidence.best([*ordered, *more])
    assert [one.folder for one in found] == ["c"]


@pytest.mark.parametrize("turned", [False, True])
def test_the_longest_reading_stands_first_whatever_it_says(turned: bool) -> None:
    first, long = (
        replace(result("F4b", outcome), variant=variant, iterations=iterations)
        for outcome, variant, iterations in (
            (ClaimOutcome.REPRODUCED, "width", 1200),
            (ClaimOutcome.NOT_REACHED, "rotation", 5000),
        )
    )
    ordered = [*pieces(first, "a", "cpu"), *pieces(long, "b", "cpu")]
    (found,) = evidence.best(reversed(ordered) if turned else ordered)
    assert [one.folder for one in found] == ["b", "a"]
    papers = pieces(first, "a", "paper")  # fewer iterations, but the paper's
    (found,) = evidence.best([*ordered, *papers])
    assert [one.is_papers_budget for one in found] == [True, False]


def test_the_first_reading_stands_first_also_where_another_answers_better() -> None:
    first, second = result("F3c", ClaimOutcome.NOT_REACHED), result("F3c", ClaimOutcome.REPRODUCED)
    readings = [replace(first, variant="authors"), replace(second, variant="fixed")]
    (found,) = evidence.best(pieces(readings[0], "a", "cpu") + pieces(readings[1], "b", "cpu"))
    assert [(one.result.group, one.result.verdict.outcome) for one in found] == [
        ("authors/infogan", ClaimOutcome.NOT_REACHED), ("fixed/infogan", ClaimOutcome.REPRODUCED)
    ]  # fmt: skip
    (card,) = cards.cards(readings, {})
    assert [arm.name for arm in card.arms] == ["authors/infogan", "fixed/infogan"]
    (card,) = cards.cards(
        [replace(readings[0], num_seeds=0, value=None), readings[1]], {}
    )  # an arm that was not trained comes last
    assert [arm.name for arm in card.arms] == ["fixed/infogan", "authors/infogan"]


def test_a_users_claim_with_the_id_of_another_is_a_claim_of_its_own() -> None:
    papers = result("F2a", ClaimOutcome.PARTLY)
    own = replace(papers, text="My claim.", iterations=10 * papers.iterations)
    found = evidence.best(pieces(papers, "a", "cpu") + pieces(own, "b", "cpu"))
    assert [[one.folder for one in claim] for claim in found] == [["a"], ["b"]]


def test_an_arm_that_was_never_run_is_left_out_where_another_was() -> None:
    yes = replace(result("F4", ClaimOutcome.REPRODUCED), variant="authors")
    none = replace(result("F4", ClaimOutcome.NOT_MEASURED), variant="tables", num_seeds=0, value=None)
    (found,) = evidence.best(evidence.of_folder([yes, none], "a"))
    assert [one.result.group for one in found] == ["authors/infogan"]
    (found,) = evidence.best(evidence.of_folder([none], "a"))
    assert [one.result.group for one in found] == ["tables/infogan"]
    (found,) = evidence.best(evidence.of_folder([yes, replace(none, num_seeds=2)], "a"))
    assert len(found) == 2  # an arm with too few seeds to judge was run


def test_an_undecided_cost_is_a_measurement_and_not_a_missing_run() -> None:
    """If the bound lies in its interval, it is shown beside decided networks, and wins over a folder with nothing."""
    yes = replace(result("S6a", ClaimOutcome.REPRODUCED, "mnist"), num_seeds=0, value=1.02)
    undecided = replace(result("S6a", ClaimOutcome.NOT_MEASURED, "svhn"), num_seeds=0, value=1.1)
    (found,) = evidence.best(evidence.of_folder([yes, undecided], "a"))
    assert [one.result.arm for one in found] == ["mnist", "svhn"]
    nothing = replace(undecided, value=None)
    for order in ([*pieces(nothing, "a", "paper"), *pieces(undecided, "b", "cpu")],
                  [*pieces(undecided, "b", "cpu"), *pieces(nothing, "a", "paper")]):  # fmt: skip
        assert [one.folder for one in evidence.best(order)[0]] == ["b"]


def test_a_verdict_on_cost_counts_with_the_largest_budget_of_its_folder() -> None:
    cost, other = (
        replace(result(name, ClaimOutcome.REPRODUCED), profile=p) for name, p in (("S6a", ""), ("F1", "paper"))
    )
    assert [one.is_papers_budget for one in evidence.of_folder([cost, other], "a")] == [True, True]
    found = evidence.of_folder([cost, replace(other, profile="cpu")], "a")
    assert [one.is_papers_budget for one in found] == [False] * 2


def test_names_of_folders_are_short_and_differ(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "latest", tmp_path / "b" / "latest", tmp_path / "c", tmp_path / "c"]
    assert names_of(paths) == ["a/latest", "b/latest", f"{tmp_path.name}/c (3)", f"{tmp_path.name}/c (4)"]


def test_the_answer_is_said_in_words() -> None:
    line = sentence(result("F2c", ClaimOutcome.PARTLY))
    words = "explains 60 % of the slant's variance, ≥ 50 % needed"
    assert line == f"F2c partly on a substitute: {words} (infogan, 2 of 3 seeds)"
    line = sentence(replace(result("F2c", ClaimOutcome.NOT_MEASURED), value=None))
    assert line == "F2c open: a reason (infogan, 2 of 3 seeds)"


def test_how_far_the_claims_hold_is_said_for_each_kind_of_data() -> None:
    found = cards.cards([result("F1", ClaimOutcome.REPRODUCED), result("F2c", ClaimOutcome.NOT_REACHED)], {})
    assert cards.summary(found) == "Partly on substitutes. Of 2 claims: 1 yes and 1 not at this budget."
    yes = result("F1", ClaimOutcome.REPRODUCED)
    papers = cards.cards([replace(yes, verdict=replace(yes.verdict, data=Data(DataKind.PAPERS, "")))], {})
    assert cards.summary(papers + found).startswith("Yes on the paper's data, partly on substitutes. Of 3 claims: ")


def test_a_reference_has_kept_pictures_with_their_words() -> None:
    folder = REFERENCES / "mnist-paper"
    kept = read_kept(folder)
    grids = kept.grids(["infogan-fast-q", "gan"])
    assert [view.code for view in grids["infogan-fast-q"]] == ["c1", "c2", "c3", "nearest"]
    assert all(view.best and view.seed == 0 for view in grids["infogan-fast-q"])
    (confusion,) = kept.figures({"figures/mnist-paper-trajectory.png"})
    assert kept.figures({confusion.file}) == []
    assert confusion.title == "Which digits a category holds"
    assert confusion.caption.startswith("Held-out images by Q's category")
    assert kept.files["figures/mnist-paper-confusion.png"].startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_reference_shows_the_pictures_that_it_has_kept(spec: Spec) -> None:
    (found,) = collect(REFERENCES / "mnist-paper", spec).view.sweeps
    pictures = {card.first.id: card.pictures for card in found.cards}
    assert [picture.code for picture in pictures["F2a"]] == ["c1"]  # type: ignore[union-attr]


def test_a_folder_with_cells_keeps_nothing(two: tuple[Path, Path]) -> None:
    (two[0] / "figures").mkdir()
    (two[0] / "figures" / "pictures.json").write_bytes((REFERENCES / "mnist-paper" / FILE).read_bytes())
    assert read_kept(two[0]) == Kept()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[", "figures/pictures.json: Invalid JSON"),
        ('[{"group": "gan"}]', "Field required"),
        ("{", "figures/pictures.json"),
        (PICTURE.format("figures/../../secret.png"), "no picture 'figures/../../secret.png' beside it"),
        (PICTURE.format("/etc/passwd"), "no picture '/etc/passwd' beside it"),
    ],
)
def test_a_list_of_kept_pictures_that_does_not_read_is_reported(content: str, told: str, tmp_path: Path) -> None:
    """In a line, and no file outside of figures/ is ever shown."""
    (tmp_path / "figures").mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ValueError, match=re.escape(told)) as raised:
        read_kept(tmp_path)
    assert "\n" not in str(raised.value)
    shutil.copy(REFERENCES / "mnist-mi-paper" / "curves.json.xz", tmp_path)
    found = collect(tmp_path, load_spec(DEFAULT_SPEC))
    assert [line.partition(":")[0] for line in found.view.damaged] == [FILE]


def test_a_large_picture_is_drawn_smaller() -> None:
    picture = REFERENCES / "chairs-settings-cpu" / "figures" / "chairs-settings-cpu-pictures.png"
    large = f"data:image/png;base64,{b64encode(picture.read_bytes()).decode()}"
    assert len(large) > max(MAX_PICTURE, 1.2 * len(smaller(large)))
    assert smaller(large).startswith("data:image/webp;base64,")
