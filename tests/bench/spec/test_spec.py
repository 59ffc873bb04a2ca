"""experiments.toml: the shipped file is sound, and a wrong one gives one line that names table, field and choices."""

import math
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.paper import FIGURE1_HUMP_ITERATION, FIGURE1_HUMP_NATS, FIGURE1_INFOGAN, FIGURE1_T80
from bench.spec.selection import Selection, parse_seeds, selected_seeds
from bench.spec.tables import Spec, SpecError, load_spec
from infogan.data import DataInfo
from tests.builders import DATA, SHIPPED, VERSIONS, planned

TEXT = SHIPPED.read_text()


def load_changed(tmp_path: Path, old: str, new: str):
    assert old in TEXT, f"experiments.toml no longer contains {old!r}: update this test"
    file = tmp_path / "experiments.toml"
    file.write_text(TEXT.replace(old, new, 1))
    return load_spec(file)


def test_the_shipped_file_declares_figure_1() -> None:
    experiment = load_spec(SHIPPED).experiments["mnist-mi"]
    assert experiment.arms == ["infogan", "infogan-fast-q", "gan", "gan-fast-q", "gan-shared"]
    assert experiment.seeds == [0, 1, 2, 3, 4]
    assert set(experiment.profiles) == {"smoke", "cpu", "paper"}
    assert experiment.profiles["paper"].width == 1.0
    assert {claim.id for claim in experiment.claims} == {"F1", "F1b"}


# ruff: noqa: E501 - a table reads better with a row per case
ERRORS = {
    "unknown key": ("iterations = 24", "iteratons = 24", r"\[experiments.mnist-mi.profiles.smoke\] iteratons.*did you mean 'iterations'"),
    "unknown key in an arm": ('learning_rate_q = "generator"', "learning_rate_g = 0.1", r"\[arms.infogan-fast-q\] learning_rate_g"),
    "wrong type": ("batch_size = 128", 'batch_size = "128"', r"\[defaults.training\] batch_size = '128'"),
    "boolean for a number": ("iterations = 24", "iterations = true", "iterations = True"),
    "negative rate": ("learning_rate_generator = 1e-3 ", "learning_rate_generator = -1e-3 ", "learning_rate_generator = -0.001"),
    "not finite": ("learning_rate_generator = 1e-3 ", "learning_rate_generator = nan ", "learning_rate_generator"),
    "infinite weight": ("mi_weight = 1.0 ", "mi_weight = inf ", "mi_weight"),
    "empty seeds": ("seeds = [0, 1, 2, 3, 4]", "seeds = []", r"\[experiments.mnist-mi\] seeds = \[\]"),
    "repeated seed": ("seeds = [0, 1, 2, 3, 4]", "seeds = [0, 1, 1]", "seeds = .*expected no repeated values"),
    "negative seed": ("seeds = [0, 1, 2, 3, 4]", "seeds = [-1]", "seeds.0 = -1|seeds"),
    "missing arm": ('arms = ["infogan", "infogan-fast-q", "gan",', 'arms = ["infogan", "infogan-fast-q", "gam",', "names 'gam'.*did you mean 'gan'"),
    "one category": ("num_categories = 10", "num_categories = 1", "num_categories = 1"),
    "unknown kind of code": ('kind = "categorical"', 'kind = "binary"', r"codes\] 0\.kind = 'binary': expected 'categorical', 'continuous'"),
    "unknown data set": ('data = "mnist"', 'data = "mnits"', "data names 'mnits'.*did you mean 'mnist'"),
    "unknown source": ('source = "auto"', 'source = "web"', "source names 'web'.*choose from auto, torchvision, embedded"),
    "unknown architecture": ('architecture = "mnist"', 'architecture = "dcgan"', "architecture names 'dcgan'.*choose from mnist"),
    "weights for the wrong number of codes": ("mi_weight = 1.0 ", "mi_weight = [1.0, 2.0] ", "expected one number or 1"),
    "unknown measure": ('measure = "t80"', 'measure = "t81"', "unknown measure.*did you mean 't80'"),
    "claim for an arm that the experiment lacks": ('arms = ["gan", "gan-fast-q", "gan-shared"]', 'arms = ["dcgan"]', "claims.1.arms names 'dcgan'"),
    "a claim for an arm twice": ('arms = ["gan", "gan-fast-q", "gan-shared"]', 'arms = ["gan", "gan"]', r"claims.1.arms = \['gan', 'gan'\]: expected no repeated values"),
    "two claims of one name": ('id = "F1b"', 'id = "F1"', r"claims.id = \['F1', 'F1'\]: expected no repeated values"),
    "a measure twice": ('measures = ["digits", ', 'measures = ["digits", "digits", ', "measures = .*expected no repeated values"),
    "a budget without arms": ("[experiments.mnist-mi.profiles.smoke]", "[experiments.mnist-mi.profiles.smoke]\narms = []", r"profiles.smoke\] arms = \[\]: List should have at least 1 item"),
    "words without a number": ('said = "{median:.1%} of', 'said = "much of', "said = .*expected a number in it, such as {median:.1%}"),
    "words that take another number": ("{median:.1%} of the ceiling", "{mean:.1%} of the ceiling", "said = .*expected a number"),
    "words with a format of text": ("{median:.1%} of the ceiling", "{median:>9} of the ceiling", "said = .*expected a number"),
    "words with a conversion": ("{median:.1%} of the ceiling", "{median!r:.1%} of {median:.1%}", "said = .*expected a number"),
    "words with an open brace": ("{median:.1%} of the ceiling", "{median:.1% of the ceiling", "said = .*expected a number"),
    "the best seed's number without one": ("{median:.1%} of the ceiling", "{best:.1%} of the ceiling", "use {median}"),
    "the best seed's number beside the paper's": ("peak of {median:.2f} nats", "peak of {best:.2f} nats", "not possible beside the paper's number; use {median}"),
    "two bounds": ("at_most = 0.13", "at_most = 0.13\nat_least = 0.1", "exactly one of at_least, at_most"),
    "name that leaves the folder": ("[arms.gan]", '[arms."../gan"]', "expected lower-case letters, digits and hyphens, 41 at most"),
    "name of a claim": ('id = "F1b"', 'id = "f-1"', r"claims.1\] id = 'f-1': expected a capital letter, a number and perhaps a letter, such as M1"),
    "a claim on what is not measured": ('measure = "figure1_distance_nats"', 'measure = "digit_error"', r"mnist-mi: claims\.0\.conditions = 'digit_error': expected a measure of this experiment; add 'digits' to its measures"),
    "a claim on what another family measures": ('measure = "figure1_distance_nats"', 'measure = "width_first_order"', "add 'strokes' or 'factors' to its measures"),
    "a claim on a convergence that is not measured": ('measure = "figure1_distance_nats"', 'measure = "improvement_kid_80"', "add 'trajectory' to its measures"),
    "a comparison of what is not measured": ('compared = [', 'compared = ["saturation", "azimuth_omega_squared", ', "compared = 'azimuth_omega_squared': expected a measure of this experiment"),
    "unknown profile": ("[experiments.mnist-mi.profiles.smoke]", "[experiments.mnist-mi.profiles.quick]", "quick"),
    "unknown reference variant": ('reference_variant = "reference"', 'reference_variant = "default"', "reference_variant names 'default'"),
    "arm of a variant that the experiment lacks": ('arms = ["infogan", "gan"]', 'arms = ["infogan", "gan-shared"]', "variants.q-rate-5e-4.arms names 'gan-shared'"),
    "a Q that nothing trains": ('q_learns_with = "discriminator" ', 'q_learns_with = "generator" ', r"q_learns_with \(arm gan\).*nothing else would train Q"),
    "share of images above 1": ("share_of_images = 0.9166667", "share_of_images = 1.1", "share_of_images = 1.1"),
    "not TOML": ("[defaults.training]", "[defaults.training", "not valid TOML"),
    "a default that every cell needs": ("mi_trains_trunk = true ", "", "mi_trains_trunk"),
    "a standard deviation without end": ("std = 1.0 }", "std = inf }", "std = inf"),
    "missing field": ('title = "Figure 1: mutual information of one categorical code on MNIST"', "", "title: missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_a_mistake_is_one_line_with_file_table_and_field(tmp_path: Path, name: str) -> None:
    old, new, message = ERRORS[name]
    with pytest.raises(SpecError, match=message) as caught:
        load_changed(tmp_path, old, new)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "experiments.toml") in str(caught.value)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file"):
        load_spec(tmp_path / "nowhere.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="not valid TOML"):
        load_spec(tmp_path / "binary.toml")


@given(
    position=st.integers(0, len(TEXT) - 1),
    replacement=st.sampled_from(['"', "[", "]", "=", "\n", "0", "-", "nan", "x", "{", "#", ".", ""]),
)
@settings(max_examples=150, deadline=None)
def test_a_mutated_file_loads_or_gives_one_line(tmp_path_factory, position: int, replacement: str) -> None:
    file = tmp_path_factory.mktemp("mutant") / "experiments.toml"
    file.write_text(TEXT[:position] + replacement + TEXT[position + 1 :])
    try:
        load_spec(file)
    except SpecError as error:
        assert "\n" not in str(error)  # noqa: PT017 - any other exception is the failure


def test_a_byte_order_mark_is_read_over_and_utf_16_is_named(tmp_path: Path) -> None:
    file = tmp_path / "experiments.toml"
    file.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert load_spec(file) == load_spec(SHIPPED)
    file.write_bytes(TEXT.encode("utf-16"))
    with pytest.raises(SpecError, match=r"experiments\.toml: not valid TOML: it is UTF-16; save it as UTF-8"):
        load_spec(file)


def test_cells_are_an_ordered_pure_list() -> None:
    spec = load_spec(SHIPPED)
    listed = planned(spec, "mnist-mi")
    assert [c.key for c in listed] == [c.key for c in planned(spec, "mnist-mi")]
    assert len({c.key for c in listed}) == 25
    assert len({c.definition_key for c in listed}) == 1
    assert [c.seed for c in listed[:6]] == [0, 0, 0, 0, 0, 1]
    assert listed[0].name == "infogan/seed-0"
    assert str(listed[0].folder).startswith("cells/mnist-mi/cpu/infogan/seed-0/")


def test_arms_resolve_to_their_settings() -> None:
    listed = planned(SHIPPED, "mnist-mi", seeds=(0,))
    training = {c.arm: c.config["training"] for c in listed}
    assert {arm: t["learning_rate_q"] for arm, t in training.items()} == {
        "infogan": 2e-4, "infogan-fast-q": 1e-3, "gan": 2e-4, "gan-fast-q": 1e-3, "gan-shared": 2e-4,
    }  # fmt: skip
    assert {arm for arm, t in training.items() if t["mi_weight_generator"] == [0.0]} == {
        "gan",
        "gan-fast-q",
        "gan-shared",
    }
    assert {arm for arm, t in training.items() if not t["mi_trains_trunk"]} == {"gan", "gan-fast-q"}
    assert all(t["mi_weight_discriminator"] == [1.0] for t in training.values())


def test_the_key_changes_with_everything_a_result_depends_on() -> None:
    spec = load_spec(SHIPPED)

    def key(
        data: DataInfo = DATA, device: str = "cpu", versions: dict[str, str] = VERSIONS, profile: str = "cpu"
    ) -> str:
        return planned(spec, "mnist-mi", profile, seeds=(0,), data=data, device=device, versions=versions)[0].key

    other_data = DataInfo("mnist", "embedded", "note", "cd" * 32, 4000, 1000, False)
    keys = [
        key(),
        key(data=other_data),
        key(device="cuda"),
        key(versions=VERSIONS | {"torch": "2.13.0"}),
        key(profile="smoke"),
    ]
    assert len(set(keys)) == len(keys)


def test_a_variant_changes_one_thing_and_only_for_its_arms() -> None:
    two = {  # those that say so
        "one-rate-q-with-generator": {"learning_rate_generator", "q_learns_with"},
        "norm-after-init-torch": {"batch_norm_order", "init"},
    }
    spec = load_spec(SHIPPED)
    listed = planned(spec, "mnist-mi-ambiguities", seeds=(100,))
    by_name = {cell.group: cell for cell in listed}
    experiment = spec.experiments["mnist-mi-ambiguities"]
    assert "tiny/gan" not in by_name
    assert {cell.definition_key for cell in listed} == {listed[0].definition_key}
    assert len({cell.key for cell in listed}) == len(listed)
    for name, variant in experiment.variants.items():
        for arm in variant.arms or experiment.arms:
            own, reference = by_name[f"{name}/{arm}"].config, by_name[f"reference/{arm}"].config
            flat = [
                {
                    (table, field): value
                    for table in ("training", "network", "noise", "data")
                    for field, value in c[table].items()
                }
                for c in (own, reference)
            ]
            changed = {key for key in flat[0] if flat[0][key] != flat[1][key]}
            fields = {field for _, field in changed} - {"mi_weight_generator", "mi_weight_discriminator"}
            if name in two:
                assert fields == two[name]
            else:
                assert len(fields | ({"lambda"} if len(fields) < len(changed) else set())) == (name != "reference"), (
                    name
                )
    assert by_name["images-55-of-60/infogan"].config["data"]["num_images"] == round(4000 * 0.9166667)


def test_the_papers_numbers_are_the_same_in_claims_and_figures() -> None:
    claims = {claim.id: claim for claim in load_spec(SHIPPED).experiments["mnist-mi"].claims}
    beside = {row.measure: row.paper for claim in claims.values() for row in claim.beside}
    stated = [beside[name] for name in ("t80", "hump_nats", "hump_iteration")]
    assert stated == [FIGURE1_T80, FIGURE1_HUMP_NATS, FIGURE1_HUMP_ITERATION]
    before, after = (FIGURE1_INFOGAN.at(i) for i in (20, 30))
    assert before < 0.8 * math.log(10) < after  # so T80 lies between 20 and 30


def test_selections_that_do_not_exist_are_refused() -> None:
    spec = load_spec(SHIPPED)
    with pytest.raises(SpecError, match=r"mnist-mi: unknown arm 'infogam'.*did you mean 'infogan'"):
        planned(spec, "mnist-mi", arms=("infogam",))
    with pytest.raises(SpecError, match="mnist-mi: unknown variant 'x'; this experiment has no variants"):
        planned(spec, "mnist-mi", variants=("x",))
    with pytest.raises(SpecError, match="unknown profile 'quick'"):
        planned(spec, "mnist-mi", "quick")


def test_group_seeds_name_an_arm_a_group_or_several(tmp_path: Path) -> None:
    ((before, line),) = re.findall(r"(cpu\]\niterations = 1700[^\[]*)(group_seeds = .*)", TEXT)

    def load(seeds: str) -> Spec:
        return load_changed(tmp_path, before + line, f"{before}group_seeds = {{ {seeds} }}")

    spec = load('"*/gan" = [], gan = [7], "azimuth-authors/gan" = [0, 1], "*-tables/infogan" = [3]')
    found = selected_seeds(spec.experiments["faces"], "faces", "cpu", Selection())
    assert found["azimuth-authors", "gan"] == (0, 1)  # the last matching entry
    assert found["azimuth", "gan"] == ()  # a group's entry counts more than its arm's, in any order
    assert found["azimuth-tables", "infogan"] == found["lighting-tables", "infogan"] == (3,)
    assert found["azimuth", "infogan"] == (0, 1, 2, 3, 4)
    for wrong in ("azimut/gan", "*/gam", "ga*"):
        with pytest.raises(SpecError, match=rf"profiles\.cpu\.group_seeds names '{re.escape(wrong)}'"):
            load(f'"{wrong}" = []')


@pytest.mark.parametrize(
    ("text", "seeds"), [("0-4", (0, 1, 2, 3, 4)), ("7", (7,)), ("0,2,5-6", (0, 2, 5, 6)), (" 1 , 3-3 ", (1, 3))]
)
def test_seeds_are_numbers_and_ranges(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "4-1",
        "-1",
        "1-",
        "1,,2",
        "0-99999999",
        "3,3",
        "1-4,2",
        "1.5",
        "9999999999999",
        "\u0663",
        "1-\u0663",
        "1_0",
    ],
)
def test_other_seeds_are_refused(text: str) -> None:
    with pytest.raises(SpecError, match="seeds"):
        parse_seeds(text)


def test_an_iteration_as_one_graph_needs_a_gpu_and_the_fused_step(tmp_path: Path) -> None:
    for more, device, message in (
        ('capture = "graph"', "cpu", "experiments.mnist-mi: capture = 'graph' needs a GPU, but the device is cpu"),
        ('capture = "graph"\nstep = "reference"', "cuda", "capture = 'graph' needs step = 'fused', got 'reference'"),
    ):
        file = tmp_path / "experiments.toml"
        file.write_text(TEXT + f"\n[experiments.mnist-mi.training]\n{more}\n")
        with pytest.raises(SpecError, match=re.escape(message)):
            planned(file, "mnist-mi", "smoke", device=device)
    file.write_text(TEXT + '\n[experiments.mnist-mi.training]\ncapture = "graph"\n')
    assert planned(file, "mnist-mi", "smoke", device="cuda")


def test_where_there_may_be_a_graph_one_is_tried_and_on_a_cpu_a_cell_stays_what_it_was(tmp_path: Path) -> None:
    """With the shipped file, a GPU tries a graph. A CPU has no graphs, and the reference step cannot be captured."""
    shipped = {
        device: planned(SHIPPED, "mnist-mi", "smoke", seeds=(0,), device=device)[0] for device in ("cpu", "cuda")
    }
    found = {device: cell.config["training"]["capture"] for device, cell in shipped.items()}
    assert found == {"cpu": "off", "cuda": "auto"}
    assert shipped["cpu"].definition["training"]["capture"] == "off"
    file = tmp_path / "experiments.toml"
    file.write_text(TEXT + '\n[experiments.mnist-mi.training]\ncapture = "auto"\nstep = "reference"\n')
    listed = planned(file, "mnist-mi", "smoke", device="cuda")
    assert {cell.config["training"]["capture"] for cell in listed} == {"off"}


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """Reading a pipe would wait until somebody writes to it."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null"), tmp_path):
        with pytest.raises(SpecError, match="not a file"):
            load_spec(path)
