"""An arm with continuous codes in addition to the experiment's: its cells have them, no other arm's cells change."""

from pathlib import Path

import pytest

from bench.run.configuration import training_config
from bench.spec.cells import Cell
from bench.spec.tables import SpecError
from tests.builders import planned, tiny_file

MORE = """
[arms.more]
more_codes = [{ kind = "continuous", std = 1.0 }, { kind = "continuous", std = 1.0 }]
"""
ARMS = ('arms = ["infogan", "gan", "broken"]', 'arms = ["infogan", "gan", "broken", "more"]')


def resolved(tmp_path: Path, more: str = MORE) -> dict[str, Cell]:
    """Seed 0 of each arm."""
    arms = ("infogan", "gan", "more") if more else ("infogan", "gan")
    file = tiny_file(tmp_path, *([ARMS] if more else []), more=more)
    return {cell.arm: cell for cell in planned(file, arms=arms, seeds=(0,))}


def test_the_arm_has_its_codes_last_and_the_others_stay(tmp_path: Path) -> None:
    without, found = resolved(tmp_path, ""), resolved(tmp_path)
    assert {arm: cell.key for arm, cell in found.items() if arm != "more"} == {a: c.key for a, c in without.items()}
    more, others = found["more"], found["infogan"]
    assert more.definition_key == others.definition_key
    assert more.config["codes"][: len(others.config["codes"])] == others.config["codes"]
    assert [code["kind"] for code in more.config["codes"]][-2:] == ["continuous"] * 2
    assert more.input_width == others.input_width + 2
    assert more.comparison != others.comparison
    for phase in ("discriminator", "generator"):
        assert len(more.config["training"][f"mi_weight_{phase}"]) == len(more.config["codes"])
    assert training_config(more.config).latents.names[-1] == f"c{len(more.config['codes'])}"


def test_a_weight_for_each_code(tmp_path: Path) -> None:
    found = resolved(tmp_path, f"{MORE}mi_weight = [1.0, 1.0, 0.5, 0.1]\n")
    assert found["more"].config["training"]["mi_weight_generator"] == [1.0, 1.0, 0.5, 0.1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (f"{MORE}mi_weight = [1.0, 0.1]\n", r"mi_weight \(arm more\) = \[1.0, 0.1\]: expected one number or 4"),
        ('\n[arms.more]\nmore_codes = [{ kind = "categorical", num_categories = 3 }]\n', "arms.more"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as error:
        resolved(tmp_path, more)
    assert "\n" not in str(error.value)
