"""docs/MEASURES.md is what the code generates."""

import pytest

from infogan.data.rendering.controlled import GROUP_SIZE, MAX_GROUPS
from infogan.measures import effects, sweeps, usable
from infogan.measures.calibration import NUM_SAMPLES
from infogan.measures.digits import family as digits
from infogan.measures.factors import disentanglement, scores
from infogan.measures.factors import family as factors
from infogan.measures.factors.sweeps import NUM_COLUMNS, NUM_ROWS
from infogan.measures.page import BEGIN, END, PAGE, filled
from infogan.measures.quality import distances
from infogan.measures.quality import family as samples


def test_the_tables_are_the_catalogues() -> None:
    page = PAGE.read_text()
    assert page.count(BEGIN) == page.count(END) == 1
    assert page == filled(page), "python -m infogan.measures.page"


@pytest.mark.parametrize(
    "words",
    [
        f"{NUM_SAMPLES:,} samples, frozen",
        f"{digits.SCORING_ROWS} (digits), {factors.SCORING_ROWS} (factors) a noise dimension",
        f"{effects.CODE_ROWS} times as many a code",
        f"factors: {NUM_ROWS} rows, {NUM_COLUMNS} columns from -1 to 1",
        f"digits: {sweeps.NUM_ROWS} rows, the columns at -1 and 1 of {len(sweeps.POSITIONS)} from -2 to 2",
        f"{factors.NUM_SAMPLES:,} samples",
        f"{disentanglement.NUM_BINS} equally filled states",
        f"{scores.NUM_REAL_IMAGES:,} held-out images",
        "random forests of {n_estimators} trees, depth {max_depth}".format(**disentanglement.FOREST),
        f"{MAX_GROUPS} votes a factor of {GROUP_SIZE} images each (fewer for a set below {MAX_GROUPS * 128:,} images)",
        f"{distances.NUM_SUBSETS} subsets of {distances.SUBSET_ROWS:,}",
        f"{samples.NUM_SAMPLES:,}, or half of the training images",
        f"{distances.NEIGHBOURS} neighbours",
        f"{distances.BALL_NEIGHBOURS} neighbours",
        f"{usable.ITERATIONS_OF_A_CELL} iterations each",
    ],
)
def test_sample_sizes_are_the_codes(words: str) -> None:
    assert words in PAGE.read_text()
