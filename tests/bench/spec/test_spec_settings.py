"""Settings of the research code in experiments.toml enter a cell's configuration, or one line rejects them."""

from pathlib import Path

import pytest

from bench.run.configuration import training_config
from bench.run.work import cell_costs
from bench.spec.cells import Cell
from bench.spec.tables import SpecError
from infogan.architectures import ARCHITECTURES
from infogan.codes import Continuous
from infogan.networks import Discriminator
from tests.builders import planned, tiny_file
from tests.end_to_end.harness import Bench

TRAINING, NETWORK, CODE = "[defaults.training]\n", "[defaults.network]\n", "log_std_clamp = [-200.0, 200.0]"
CATEGORICAL = '{ kind = "categorical", num_categories = 10 }, '
VARIANTS = """
[experiments.tiny.variants.tables]

[experiments.tiny.variants.authors]
std = "sqrt-exp"
std_clip = [0.1, 2]
noise_size = 3
network = { discriminator_fc_norm = false, generator_norm = "hidden", heads = "linear", scale_init = true }
training = { warm_up_iterations = 3, give_up = "authors" }
"""


def resolved(tmp_path: Path, *changes: tuple[str, str], extra: str = "") -> list[Cell]:
    return planned(tiny_file(tmp_path, *changes, more=extra), seeds=(0,))


REFUSED = {
    "clip bounds that cross": (
        [(CODE, 'std = "sqrt-exp", std_clip = [2.0, 0.1]')],
        "std_clip must be positive and rise",
    ),
    "a clip without its deviation": (
        [(CODE, "std_clip = [0.1, 2.0]")],
        "std_clip needs std = 'sqrt-exp', got 'learned'",
    ),
    "a separate Q without categories": (
        [(NETWORK, NETWORK + 'q_network = "separate-categories"\n'), (CATEGORICAL, "")],
        r"q_network \(arm infogan\) = 'separate-categories': expected 'shared' or 'separate'",
    ),
    "a warm-up longer than the run": (
        [(TRAINING, TRAINING + "warm_up_iterations = 30\n")],
        "warm_up_iterations = 30: expected fewer than the 30",
    ),
    "PyTorch's weights, scaled": (
        [(NETWORK, NETWORK + "scale_init = true\n"), ('init = "normal"', 'init = "torch"')],
        r"scale_init \(arm infogan\) = True: expected false",
    ),
    "the rule of giving up with a bound that is always below 0": (
        [(TRAINING, TRAINING + 'give_up = "authors"\n'), (CODE, "std = 1")],
        r"give_up \(arm infogan\) = 'authors': expected 'never' with a fixed std \(1\)",
    ),
    "a negative number of noise dimensions": (
        [(TRAINING, "[experiments.tiny.variants.v]\nnoise_size = -1\n" + TRAINING)],
        r"variants.v\] noise_size = -1",
    ),
    "a negative warm-up": ([(TRAINING, TRAINING + "warm_up_iterations = -1\n")], "warm_up_iterations = -1"),
    "an unknown rule": ([(TRAINING, TRAINING + 'give_up = "soon"\n')], "give_up = 'soon'.*'never' or 'authors'"),
    "an unknown place of batch norm": ([(NETWORK, NETWORK + 'generator_norm = "all"\n')], "generator_norm = 'all'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_settings_that_do_not_go_together_are_one_line(tmp_path: Path, name: str) -> None:
    changes, message = REFUSED[name]
    with pytest.raises(SpecError, match=message) as caught:
        resolved(tmp_path, *changes)
    assert "\n" not in str(caught.value)


def test_a_clip_of_a_variant_is_held_to_its_codes(tmp_path: Path) -> None:
    crossed = VARIANTS.replace("[0.1, 2]", "[2, 0.1]")
    with pytest.raises(SpecError, match="variant authors: std_clip must be positive and rise, got") as caught:
        resolved(tmp_path, extra=crossed)
    assert "\n" not in str(caught.value)


def test_the_command_refuses_them_with_exit_code_2(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.spec.write_text(bench.spec.read_text().replace(TRAINING, TRAINING + "warm_up_iterations = 40\n"))
    output = bench("run", "tiny", code=2)
    assert output.count("\n") == 1
    assert "warm_up_iterations = 40" in output
    assert not bench.results.exists()


def test_two_readings_stand_side_by_side(tmp_path: Path) -> None:
    found = {cell.variant: cell for cell in resolved(tmp_path, extra=VARIANTS) if cell.arm == "infogan"}
    tables, authors = (training_config(found[name].config) for name in ("tables", "authors"))
    assert tables.latents.codes[1] == Continuous(log_std_clamp=(-200.0, 200.0))
    assert authors.latents.codes[1] == Continuous(std="sqrt-exp", std_clip=(0.1, 2.0), log_std_clamp=(-200.0, 200.0))
    assert (authors.latents.noise.size, authors.latents.noise.prior) == (3, tables.latents.noise.prior)
    assert authors.latents.noise.size != tables.latents.noise.size
    assert found["authors"].input_width == 3 + found["tables"].input_width - tables.latents.noise.size
    assert authors.step.warm_up_iterations == 3
    assert authors.step.give_up == "authors"
    assert not authors.network.discriminator_fc_norm
    assert authors.network.scale_init
    discriminator = Discriminator(ARCHITECTURES["mnist"], authors.latents, authors.network)
    assert cell_costs(found["authors"])["q"].parameters == sum(p.numel() for p in discriminator.q_parameters())
    assert found["tables"].key != found["authors"].key
    assert found["tables"].definition_key == found["authors"].definition_key


def test_settings_that_nobody_asks_for_are_no_part_of_a_configuration(tmp_path: Path) -> None:
    config = resolved(tmp_path)[0].config
    assert not {"warm_up_iterations", "give_up"} & config["training"].keys()
    assert not {"discriminator_fc_norm", "generator_norm", "heads", "scale_init"} & config["network"].keys()
    assert all("std_clip" not in code for code in config["codes"])
