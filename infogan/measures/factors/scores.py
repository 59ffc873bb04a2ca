"""What Q knows about known factors on real images, with a bias row and a ceiling row for comparison.

The representation is Q's mean or probabilities, with batch-norm statistics frozen on training images. "shuffled": the
factors belong to other images; "ceiling": the factor readers' outputs replace Q's.
Shape suffixes: N images, C channels, H height, W width, F factors.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from infogan.measures.calibration import calibrate_on_images
from infogan.measures.factors import disentanglement as D
from infogan.measures.factors.readers import ReaderSet
from infogan.measures.images import unit
from infogan.measures.subsets import random_rows
from infogan.measures.trained import Trained

NUM_REAL_IMAGES = 2_000  # for the calibration of Q, and held out
ROWS = ("", "shuffled", "ceiling")  # "" is Q itself
Represent = Callable[[np.ndarray], Sequence[D.CodeOutput]]  # takes uint8 images (N, C, H, W)


def representation_scores(cell: Trained, readers: ReaderSet, rng: np.random.Generator) -> dict[str, D.Scores]:
    """All scores by row of ``ROWS``; empty without codes or known factors. Calibrates the cell's discriminator."""
    test = cell.dataset.test
    if test.factors is None or not cell.spec.codes:
        return {}
    order = torch.randperm(cell.num_images, generator=torch.Generator().manual_seed(cell.seed)).numpy()
    calibrate_on_images(cell.discriminator, cell.real(cell.dataset.train.images[order[:NUM_REAL_IMAGES]]))
    rows = random_rows(len(test.images), NUM_REAL_IMAGES)
    images_NCHW = test.images[rows]
    names = cell.dataset.factor_names
    factors = [(f, test.factors[rows, names.index(f.name)]) for f in readers.factors]

    def of_q(images_NCHW: np.ndarray) -> Sequence[D.CodeOutput]:
        return D.q_codes(cell.discriminator, cell.spec, cell.real(images_NCHW))

    def of_readers(images_NCHW: np.ndarray) -> Sequence[D.CodeOutput]:
        return D.reader_codes(readers.read(unit(images_NCHW)), factors)

    codes, read = of_q(images_NCHW), of_readers(images_NCHW)
    shuffled = rng.permutation(len(images_NCHW))
    controlled = cell.dataset.controlled
    groups = None if controlled is None else [controlled.fixed(factor.name) for factor in readers.factors]
    found = {
        "": (D.scores(codes, factors, cell.seed), of_q, codes),
        "shuffled": (D.scores(codes, [(f, v[shuffled]) for f, v in factors], cell.seed), of_q, codes),
        "ceiling": (D.scores(read, factors, cell.seed), of_readers, read),
    }
    return {
        row: _with_factor_vae(scores, groups, represent, reference, rng, is_shuffled=row == "shuffled")
        for row, (scores, represent, reference) in found.items()
    }


def _with_factor_vae(
    scores: D.Scores,
    groups: list[np.ndarray] | None,
    represent: Represent,
    reference: Sequence[D.CodeOutput],
    rng: np.random.Generator,
    *,
    is_shuffled: bool,
) -> D.Scores:
    """Add FactorVAE's score.

    ``groups``: for each factor images (G, N, C, H, W), with one value of the factor per group.
    """
    votes = None
    if groups is None:
        reason = "not defined: it needs images of which one factor is fixed, which only a renderer gives"
    elif len(reference) < 2:
        reason = f"not defined: a vote between codes needs two, there is {len(reference)}"
    else:
        reason = "not defined: it needs two factors and a code that varies"
        own = np.repeat(np.arange(len(groups)), [len(of_factor) for of_factor in groups])
        shown = iter(rng.permutation(own))  # for the bias row
        represented = [map(represent, of_factor) for of_factor in groups]

        def batch(factor: int, _: np.random.Generator) -> Sequence[D.CodeOutput]:
            return next(represented[next(shown) if is_shuffled else factor])

        votes = D.factor_vae(batch, reference, len(groups), rng, num_votes=len(own))
    if votes is None:
        return replace(scores, reasons=scores.reasons | {"factor_vae": reason})
    return replace(scores, factor_vae=votes.score, factor_vae_low=votes.low, factor_vae_high=votes.high)
