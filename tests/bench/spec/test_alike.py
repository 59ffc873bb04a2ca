"""An experiment that states only its differences from another one."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bench.spec.alike import SHARED
from bench.spec.reading import BUILTIN, SpecError
from bench.spec.tables import load_spec
from tests.builders import planned, tiny_file

RUN = (
    'title = "Another one"\narms = ["infogan"]\nseeds = [0]\nprofiles = { cpu = { iterations = 30, width = 0.125 } }\n'
)


def written(table: dict[str, Any]) -> str:
    """A value that two experiments share, as TOML; lists and words are written as in JSON, tables are not."""

    def toml(value: Any) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + " }"
        return "[" + ", ".join(map(toml, value)) + "]" if isinstance(value, list) else json.dumps(value)

    return "".join(f"{field} = {toml(table[field])}\n" for field in SHARED if field in table)


def test_what_is_taken_is_what_would_have_been_written(tmp_path: Path) -> None:
    base = tomllib.loads(tiny_file(tmp_path).read_text())["experiments"]["tiny"]
    file = tiny_file(tmp_path, more=f'\n[experiments.mine]\nlike = "tiny"\n{RUN}')
    key = planned(file, "mine")[0].key
    spec = load_spec(file)
    mine, tiny = spec.experiments["mine"], spec.experiments["tiny"]
    assert {field for field in SHARED if getattr(mine, field) == getattr(tiny, field)} == set(SHARED)
    assert set(base) & set(SHARED) >= {"data", "architecture", "noise", "codes"}
    assert (mine.claims, mine.title) == ([], "Another one")
    assert tiny.claims
    (same,) = planned(tiny_file(tmp_path, more=f"\n[experiments.mine]\n{written(base)}{RUN}"), "mine")
    assert same.key == key


def test_a_field_that_is_stated_replaces_the_others_whole(tmp_path: Path) -> None:
    twenty = 'codes = [{ kind = "categorical", num_categories = 20 }]\ntraining = { beta1 = 0.9 }\n'
    more = f'\n[experiments.third]\nlike = "mine"\n{RUN}\n[experiments.mine]\nlike = "tiny"\n{twenty}{RUN}'
    spec = load_spec(tiny_file(tmp_path, more=more))
    for name in ("mine", "third"):  # the third takes what the second states, wherever it is in the file
        own = spec.experiments[name]
        assert len(own.codes) == 1
        assert own.training.beta1 == 0.9
        assert own.noise == spec.experiments["tiny"].noise


def test_a_file_of_ones_own_may_be_like_the_shipped_ones(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f'extends = "builtin"\n[experiments.mine]\nlike = "faces"\n{RUN}')
    mine, faces = load_spec(file).experiments["mine"], load_spec(BUILTIN).experiments["faces"]
    assert (mine.data, mine.codes, mine.network) == (faces.data, faces.codes, faces.network)


def test_with_images_of_ones_own_nothing_is_taken_that_is_about_the_others_data(tmp_path: Path) -> None:
    (file := tmp_path / "mine.toml").write_text(
        f'extends = "quick.toml"\n[experiments.shoes]\nlike = "quick"\n{RUN}'
        'data = { folder = "shoes", size = 28, colour = "grey" }\n'
    )
    quick = 'extends = "builtin"\n[experiments.quick]\nlike = "mnist"\nsource = "embedded"\n'
    (tmp_path / "quick.toml").write_text(quick + RUN)
    experiments = load_spec(file).experiments
    shoes, mnist = experiments["shoes"], experiments["mnist"]
    assert (shoes.source, shoes.paper, experiments["quick"].source) == ("auto", None, "embedded")
    assert set(mnist.measures) - set(shoes.measures) == {"strokes"}
    assert (shoes.codes, shoes.network) == (mnist.codes, mnist.network)


NETS = "\n[networks.wide]\nslope = 0.3\ninit_std = 0.05\n"


def test_networks_are_like_named_ones_and_state_where_they_differ(tmp_path: Path) -> None:
    variants = '[experiments.mine.variants.a]\nnetwork = { like = "wide", slope = 0.2 }\n'
    variants += "[experiments.mine.variants.b]\nnetwork = { slope = 0.2, init_std = 0.05 }\n"
    more = f'\n[experiments.mine]\nlike = "tiny"\nnetwork = {{ like = "wide" }}\n{RUN}{variants}{NETS}'
    spec = load_spec(tiny_file(tmp_path, more=more))
    mine = spec.experiments["mine"]
    assert (mine.network.slope, mine.network.init_std) == (0.3, 0.05)
    assert mine.variants["a"].network == mine.variants["b"].network
    keys = {cell.variant: cell.key for cell in planned(tiny_file(tmp_path, more=more), "mine")}
    written = more.replace('{ like = "wide" }', "{ slope = 0.3, init_std = 0.05 }").replace(
        'like = "wide", ', "init_std = 0.05, "
    )
    assert {cell.variant: cell.key for cell in planned(tiny_file(tmp_path, more=written), "mine")} == keys


def test_a_file_of_ones_own_names_networks_of_its_own_and_the_shipped_ones(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        f'extends = "builtin"\n[experiments.mine]\nlike = "faces"\nnetwork = {{ like = "tables" }}\n{RUN}'
        f'[experiments.mine.variants.own]\nnetwork = {{ like = "wide" }}\n{NETS}'
    )
    mine, faces = load_spec(file).experiments["mine"], load_spec(BUILTIN).experiments["faces"]
    assert mine.network == faces.variants["azimuth-tables"].network
    assert mine.variants["own"].network.init_std == 0.05


def test_parts_of_ones_own_are_found_beside_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "net.py").write_text("MINE = None\n")
    base = tiny_file(tmp_path, name="base.toml")
    base.write_text(base.read_text().replace('architecture = "mnist"', 'architecture = "net.py:MINE"'))
    file = tmp_path / "deep" / "mine.toml"
    file.write_text(f'extends = "../base.toml"\n[experiments.mine]\nlike = "tiny"\n{RUN}')
    spec = load_spec(file)
    assert spec.experiments["mine"].architecture == "net.py:MINE"
    assert spec.given.own.folders["net.py:MINE"].resolve() == tmp_path.resolve()


# ruff: noqa: E501 - a table reads better with a row per case
MISTAKES = {
    "an unknown one": ('like = "tinny"\n', r"\[experiments.mine\] like = 'tinny': expected the name of another experiment \(did you mean 'tiny'\?\); choose from tiny"),
    "no name": ("like = 3\n", "like = 3: expected the name of another experiment"),
    "itself": ('like = "mine"\n', "like = 'mine': circular like: mine -> mine"),
    "a circle": ('like = "third"\n[experiments.third]\nlike = "mine"\n', "circular like: .*mine -> third -> mine|third -> mine -> third"),
    "unknown networks": ('like = "tiny"\nnetwork = { like = "wode" }\n' + RUN + NETS, r"\[experiments.mine\] network.like = 'wode': expected a name of \[networks\] \(did you mean 'wide'\?\)"),
    "networks by a number": ('like = "tiny"\nnetwork = { like = 3 }\n' + RUN, r"network.like = 3: expected a name of \[networks\]"),
    "networks like others": ('like = "tiny"\nnetwork = { like = "thin" }\n' + RUN + NETS + '[networks.thin]\nlike = "wide"\n', "like"),
    "a bad value in named networks": ('like = "tiny"\nnetwork = { like = "wide" }\n' + RUN + NETS.replace("0.3", "3.0"), "slope"),
    "a code too many for its weights": ('like = "tiny"\ntraining = { mi_weight = [1.0, 1.0, 1.0, 1.0, 1.0] }\n' + RUN, "expected one number or"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_that_names_file_and_table(tmp_path: Path, name: str) -> None:
    text, message = MISTAKES[name]
    file = tiny_file(tmp_path, more=f"\n[experiments.mine]\n{text}")
    with pytest.raises(SpecError, match=message) as caught:
        load_spec(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_the_example_of_the_documents_reads(tmp_path: Path) -> None:
    document = (BUILTIN.parent / "docs" / "EXTENDING.md").read_text()
    (block,) = (part for part in document.split("```toml\n")[1:] if 'like = "mnist-mi"' in part)
    file = tmp_path / "mine.toml"
    file.write_text(block.partition("```")[0])
    spec = load_spec(file)
    assert [claim.id for claim in spec.experiments["mine"].claims] == ["M1"]
    assert [cell.name for cell in planned(file, "mine")] == [f"infogan-fast-q/seed-{seed}" for seed in range(5)]
