"""A user's file states only what is new and changes nothing of what it extends; mistakes name their file."""

from pathlib import Path

import pytest

from bench.spec.reading import BUILTIN
from bench.spec.tables import SpecError, load_spec
from infogan import data
from infogan.architectures import ARCHITECTURES
from tests.builders import experiment_text, planned, tiny_file

MINE = """
extends = "base.toml"

[arms.slow]
note = "D at a tenth of its rate."
learning_rate_discriminator = 2e-5

[experiments.tiny]
arms = ["slow"]

[experiments.tiny.profiles.cpu]
arms = ["slow"]
"""
OWN_EXPERIMENT = experiment_text("mine", "profiles = { cpu = { iterations = 10 } }\n")


def mine(tmp_path: Path, text: str = MINE) -> Path:
    tiny_file(tmp_path, name="base.toml")
    file = tmp_path / "mine.toml"
    file.write_text(text)
    return file


def keys(path: Path, experiment: str = "tiny") -> dict[str, str]:
    return {cell.name: cell.key for cell in planned(path, experiment)}


def test_an_arm_of_ones_own_stands_beside_the_others_whose_cells_keep_their_keys(tmp_path: Path) -> None:
    found = keys(mine(tmp_path))
    before = keys(tmp_path / "base.toml")
    assert found.keys() - before.keys() == {"slow/seed-0", "slow/seed-1"}
    assert {name: found[name] for name in before} == before
    spec = load_spec(tmp_path / "mine.toml")
    assert spec.arms["slow"].learning_rate_discriminator == 2e-5
    assert spec.experiments["tiny"].claims == load_spec(tmp_path / "base.toml").experiments["tiny"].claims


def test_the_shipped_file_goes_by_a_name_and_paths_are_the_files_own(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    first, second = tmp_path / "first.toml", tmp_path / "deep" / "second.toml"
    first.write_text('extends = "builtin"\n\n[arms.slow]\nbeta1 = 0.9\n')
    second.write_text('extends = "../first.toml"\n\n[experiments.mnist-mi]\narms = ["slow"]\n' + OWN_EXPERIMENT)
    spec, shipped = load_spec(second), load_spec(BUILTIN)
    assert [*spec.experiments] == [*shipped.experiments, "mine"]
    assert spec.experiments["mnist-mi"].arms == [*shipped.experiments["mnist-mi"].arms, "slow"]
    assert spec.experiments["mnist"] == shipped.experiments["mnist"]


def test_variants_and_claims_are_added(tmp_path: Path) -> None:
    more = MINE.replace('[experiments.tiny]\narms = ["slow"]', '[experiments.tiny]\narms = ["slow"]\nclaims = [CLAIM]')
    claim = (
        'id = "M1", text = "My own claim", source = "mine", arms = ["slow"], min_seeds = 1, min_iterations = 1, '
        'conditions = [{ measure = "mi_final_nats", over = "every seed", at_least = 0.1, basis = "Above nothing." }]'
    )
    file = mine(tmp_path, more.replace("CLAIM", "{ " + claim + " }"))
    assert [claim.id for claim in load_spec(file).experiments["tiny"].claims] == ["F1", "M1"]
    base, none = tmp_path / "base.toml", experiment_text("bare", "profiles = { cpu = { iterations = 10 } }\n")
    base.write_text(base.read_text() + none)
    file.write_text(
        f'extends = "base.toml"\n\n[experiments.bare]\nclaims = [{{ {claim.replace("slow", "infogan")} }}]\n'
    )
    assert [claim.id for claim in load_spec(file).experiments["bare"].claims] == ["M1"]
    tiny_file(tmp_path, more="\n[experiments.tiny.variants.wide]\nshare_of_images = 0.5\n", name="base.toml")
    file.write_text(MINE + "\n[experiments.tiny.variants.narrow]\nshare_of_images = 0.25\n")
    assert [*load_spec(file).experiments["tiny"].variants] == ["wide", "narrow"]


# ruff: noqa: E501 - a table reads better with a row per case
ADDS = "a file can add to what it extends but not change it"
CLASHES = {
    "a rate of an arm": ("[arms.gan]\nbeta1 = 0.9", rf"mine.toml: \[arms.gan\] beta1 = 0.9: the table is .*base.toml's, which does not state it; {ADDS}"),
    "another value": ("[arms.gan]\nmi_weight_generator = 1.0", r"\[arms.gan\] mi_weight_generator = 1.0: .*base.toml's, which has 0.0"),
    "a budget": ("[experiments.tiny.profiles.cpu]\niterations = 9", r"\[experiments.tiny.profiles.cpu\] iterations = 9: .*which has 30"),
    "seeds": ("[experiments.tiny]\nseeds = [7]", r"\[experiments.tiny\] seeds = \[7\]: .*which has \[0, 1\]"),
    "training of an experiment": ("[experiments.tiny.training]\nbeta1 = 0.9", rf"\[experiments.tiny\] training = .*does not state it; {ADDS}"),
    "first variants": ("[experiments.tiny.variants.half]\nshare_of_images = 0.5", r"\[experiments.tiny\] variants = .*has no variants, .* an experiment with like = \"tiny\""),
    "defaults": ("[defaults.training]\nbeta1 = 0.9", rf"mine.toml: \[defaults\]: .*base.toml's.*{ADDS}"),
    "a criterion": ('[[experiments.tiny.claims]]\nid = "F1"\ntext = "easier"', r"\[experiments.tiny\] claims = 'F1': .*base.toml's, which has 'F1'"),
}  # fmt: skip


@pytest.mark.parametrize("name", CLASHES)
def test_what_would_change_the_other_file_is_refused(tmp_path: Path, name: str) -> None:
    text, message = CLASHES[name]
    with pytest.raises(SpecError, match=message) as caught:
        load_spec(mine(tmp_path, f'extends = "base.toml"\n\n{text}\n'))
    assert "\n" not in str(caught.value)


def test_what_is_stated_once_more_is_no_change(tmp_path: Path) -> None:
    again = 'extends = "base.toml"\n\n[arms.gan]\nmi_weight_generator = 0.0\nmi_trains_trunk = false\n'
    assert keys(mine(tmp_path, again)) == keys(tmp_path / "base.toml")


MISTAKES = {
    "an unknown key": (MINE.replace("learning_rate_discriminator", "learning_rate_disc"), "mine.toml", r"\[arms.slow\] learning_rate_disc = .*did you mean"),
    "an unknown arm": (MINE.replace('tiny]\narms = ["slow"]', 'tiny]\narms = ["slaw"]'), "mine.toml", "experiments.tiny: arms names 'slaw'"),
    "a weight of the wrong length": (MINE.replace("learning_rate_discriminator = 2e-5", "mi_weight = [1.0]"), "mine.toml", r"mi_weight \(arm slow\) = \[1.0\]: expected one number or 2"),
    "a field that is missing": ('extends = "base.toml"\n' + OWN_EXPERIMENT.replace("seeds = [0]\n", ""), "mine.toml", r"\[experiments.mine\] seeds: missing$"),
    "all that is missing": ('extends = "base.toml"\n[experiments.mine]\nlike = "tiny"', "mine.toml", r"\[experiments.mine\] title, arms, seeds, profiles: missing$"),
    "no TOML": ("extends = ", "mine.toml", "not valid TOML"),
    "no path": ("extends = 3", "mine.toml", 'extends = 3: expected "builtin" or the path of a file'),
    "a path that cannot be": ('extends = "a\\u0000"', "mine.toml", r"extends = 'a\\x00': expected \"builtin\" or the path of a file"),
    "no file": ('extends = "nowhere.toml"', "mine.toml", "extends = 'nowhere.toml': .*No such file"),
    "itself": ('extends = "mine.toml"', "mine.toml", "circular extends"),
    "a default": ('extends = "base.toml"\n[defaults.training]\nbatch_size = -1', "mine.toml", r"\[defaults\]"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_names_the_file_in_which_it_stands(tmp_path: Path, name: str) -> None:
    text, file, message = MISTAKES[name]
    with pytest.raises(SpecError, match=message) as caught:
        load_spec(mine(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / file))
    assert "\n" not in str(caught.value)


def test_a_mistake_in_what_is_extended_names_that_file(tmp_path: Path) -> None:
    file = mine(tmp_path)
    tiny_file(tmp_path, iterations=-1, name="base.toml")
    with pytest.raises(SpecError, match=r"\[experiments.tiny.profiles.cpu\] iterations = -1") as caught:
        load_spec(file)
    assert str(caught.value).startswith(str(tmp_path / "base.toml"))
    (tmp_path / "base.toml").write_text("[")
    with pytest.raises(SpecError, match="not valid TOML") as caught:
        load_spec(file)
    assert str(caught.value).startswith(str(tmp_path / "base.toml"))


def test_a_file_that_forgets_what_it_extends_is_told_so(tmp_path: Path) -> None:
    for text in "", MINE.replace('extends = "base.toml"\n\n[arms.slow]', "[experiments.slow]"):
        with pytest.raises(
            SpecError, match=r"mine\.toml: neither \[defaults\] nor \[arms\]; .* extends = \"builtin\"$"
        ):
            load_spec(mine(tmp_path, text))


def test_a_data_set_needs_a_module_and_a_line_in_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rings_of_a_test.py").write_text('SHAPE_CHW, SOURCES = (1, 28, 28), ("auto", "made")\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(data.DATASETS, "rings", "rings_of_a_test")
    edits = ('data = "mnist"', 'data = "rings"'), ('source = "embedded"', 'source = "made"')
    assert load_spec(tiny_file(tmp_path, *edits)).experiments["tiny"].wanted_data == "rings"
    with pytest.raises(SpecError, match="architecture = 'faces': expected one for images of 1 x 28 x 28"):
        load_spec(tiny_file(tmp_path, *edits, ('architecture = "mnist"', 'architecture = "faces"')))


def test_the_papers_networks_fit_their_data() -> None:
    for name in data.DATASETS:  # other tests may have learned further networks
        assert data.shape_CHW(name) == ARCHITECTURES[name].image_CHW
