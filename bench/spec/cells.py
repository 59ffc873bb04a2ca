"""A cell: one run with its resolved configuration, and the keys that decide what is reused and what is compared.

:mod:`bench.spec.resolve` makes cells of the tables of experiments.toml.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from bench.spec.config import Code, Config, Definition
from bench.spec.experiment import group_name
from infogan.version import code_digest, library_versions

FORMAT = 1  # of a definition, and so part of every key
T80_RULE = {"fraction": 0.8, "window": 11}  # share of H(c); iterations of the centred moving average


# files of infogan/measures that bench.run.keep uses on the networks, with their imports
EVALUATION_FILES = ("bound", "calibration", "digits/assignment", "health", "images", "probes", "subsets", "traversals")


def digest(value: Any) -> str:
    """sha256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def input_width(noise_size: int, codes: Sequence[Code]) -> int:
    """Width of a generator's input: noise and codes."""
    return noise_size + sum(code["num_categories"] if code["kind"] == "categorical" else 1 for code in codes)


@dataclass(frozen=True)
class Cell:
    """One training run: (experiment, variant, arm, seed) at a profile."""

    config: Config
    definition: Definition
    measures: tuple[str, ...] = ()  # the experiment's families of measures; not part of the key

    @property
    def experiment(self) -> str:
        return self.config["experiment"]

    @property
    def profile(self) -> str:
        return self.config["profile"]

    @property
    def variant(self) -> str | None:
        return self.config["variant"]

    @property
    def arm(self) -> str:
        return self.config["arm"]

    @property
    def seed(self) -> int:
        return self.config["seed"]

    @property
    def key(self) -> str:
        """Digest of the configuration; results with the same key are reused."""
        return digest(self.config)

    @property
    def definition_key(self) -> str:
        """Digest of what a sweep shares; cells with the same one belong in one table."""
        return digest(self.definition)

    @property
    def comparison(self) -> dict[str, object]:
        """What two sets of runs must share to be compared; everything else is the treatment under test."""
        c = self.config
        return {
            "experiment": self.experiment,
            "variant": self.variant,
            "arm": self.arm,
            "data_digest": c["data"]["digest"],
            "num_images": c["data"]["num_images"],
            "codes": c["codes"],
            "iterations": c["training"]["iterations"],
            "batch_size": c["training"]["batch_size"],
            "width": c["network"]["width"],
            "t80": T80_RULE,
        }

    @property
    def group(self) -> str:
        """Variant and arm, ``variant/arm``."""
        return group_name(self.variant, self.arm)

    @property
    def name(self) -> str:
        """Variant, arm and seed, ``variant/arm/seed-k``."""
        return f"{self.group}/seed-{self.seed}"

    @property
    def folder(self) -> PurePosixPath:
        """Folder of its records below the results folder. Cells with another key have another folder."""
        return PurePosixPath("cells", self.experiment, self.profile, self.name, self.key[:12])

    @property
    def input_width(self) -> int:
        """Width of the generator's input: noise and codes."""
        return input_width(self.config["noise"]["size"], self.config["codes"])

    @property
    def is_rounded(self) -> bool:
        """Whether it is trained in bfloat16."""
        return self.config["network"].get("precision") == "bf16"

    @property
    def iterations(self) -> int:
        return self.config["training"]["iterations"]


def evaluation_code() -> str:
    """Digest of the code that computes the rest of a cell's record: frozen L_I, health, grids and probes."""
    return code_digest(tuple(f"measures/{name}" for name in EVALUATION_FILES))


def measure_key(cell: Cell, family: str) -> str:
    """Key of a family of measures: it covers the cell, the code of the measures, and scikit-learn's version.

    The cell's key adds data, torch and training code. The versions of numpy and scipy, which measures use too, are in
    neither.
    """
    return digest(
        [cell.key, family, code_digest(("measures", "data/rendering/controlled")), library_versions(("scikit-learn",))]
    )
