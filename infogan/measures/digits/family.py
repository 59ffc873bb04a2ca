"""The families "digits" and "strokes": categories against digits, and effects of continuous codes on their shape.

Shape suffixes: N images, C channels, H height, W width.
"""

import numpy as np
import torch
from torch import Tensor

from infogan.codes import Continuous
from infogan.measures.calibration import calibrate_generator, calibrate_on_images
from infogan.measures.digits import assignment, morphology
from infogan.measures.effects import sobol_indices
from infogan.measures.images import unit
from infogan.measures.subsets import random_rows
from infogan.measures.sweeps import sweep
from infogan.measures.trained import Measured, Trained
from infogan.networks import Discriminator

NUM_SAMPLES = 5_000  # samples to classify and to measure
NUM_CALIBRATION_IMAGES = 10_000
NUM_BASELINE_IMAGES = 10_000  # training images for k-means and the linear probe
SELECTION_ROWS, SCORING_ROWS = 64, 256  # of the Sobol designs that select and score a property's code
STROKES = {"slant": "slant", "width": "width_px", "thickness": "thickness_px"}  # prefix of the quantities: property


def measure_digits(cell: Trained) -> Measured:
    """Compare categories of c1 with digits: for real images by Q (Figure 2a's 5 %), for samples by a classifier."""
    index = cell.first_categorical()
    train, test = cell.dataset.train, cell.dataset.test
    if index is None or train.labels is None or test.labels is None:
        return Measured()
    draws = cell.stream()
    num_categories = cell.spec.codes[index].input_width
    images_NCHW, labels_N = train.images[: cell.num_images], train.labels[: cell.num_images]
    test_labels_N = test.labels

    def scores(discriminator: Discriminator) -> assignment.DigitErrors:
        calibration = torch.randperm(len(images_NCHW), generator=torch.Generator().manual_seed(cell.seed))
        calibrate_on_images(discriminator, cell.real(images_NCHW[calibration[:NUM_CALIBRATION_IMAGES].numpy()]))
        categories = [
            assignment.category_of_images(discriminator, cell.spec, index, cell.real(images))
            for images in (images_NCHW, test.images)
        ]
        return assignment.score(categories[0], labels_N, categories[1], test_labels_N, num_categories)

    untrained, errors = scores(cell.untrained()), scores(cell.discriminator)
    rows = random_rows(len(images_NCHW), NUM_BASELINE_IMAGES)
    baselines = _digit_baselines(cell, images_NCHW[rows], labels_N[rows])
    calibrate_generator(cell.generator, cell.spec, draws)
    samples_NCHW, values = cell.samples(NUM_SAMPLES, draws)
    seen = cell.classifier.model.digits(samples_NCHW)
    agreement = assignment.agreement(values[index].cpu().numpy(), seen, num_categories)
    return Measured(
        {
            "digit_error": errors.one_to_one.error,
            "digit_error_majority": errors.majority.error,
            "digit_error_train": errors.train_one_to_one.error,
            "digit_error_low": errors.one_to_one.low,
            "digit_error_high": errors.one_to_one.high,
            "digit_error_untrained": untrained.one_to_one.error,
            **{f"digit_error_{name}": found.one_to_one.error for name, found in baselines.items()},
            "categories_sharing": float(errors.num_sharing),
            "sample_purity": agreement.purity,
            "sample_nmi": agreement.nmi,
        },
        {
            "errors": errors.to_json(),
            "untrained": untrained.to_json(),
            "baselines": {name: found.to_json() for name, found in baselines.items()},
            "samples": agreement.to_json(),
            "classifier_accuracy": cell.classifier.test_accuracy,
        },
    )


def _digit_baselines(cell: Trained, images_NCHW: np.ndarray, labels_N: np.ndarray) -> dict[str, assignment.DigitErrors]:
    """Scores that need no code, on the same held-out images: k-means on pixels and on D's features, and a linear probe.

    Uses the discriminator's calibrated statistics. k-means is absent if there are fewer than 10 distinct rows.
    """
    test = cell.dataset.test
    assert test.labels is not None

    def features(images: np.ndarray) -> np.ndarray:
        return assignment.trunk_features(cell.discriminator, cell.real(images))

    pixels = [images.reshape(len(images), -1) / np.float32(255) for images in (images_NCHW, test.images)]
    trunk = [features(images) for images in (images_NCHW, test.images)]
    found = {"probe": assignment.linear_probe(trunk[0], labels_N, trunk[1], test.labels)}
    for name, (train_NF, test_NF) in (("kmeans_pixels", pixels), ("kmeans_trunk", trunk)):
        try:
            found[name] = assignment.kmeans(train_NF, labels_N, test_NF, test.labels, seed=cell.seed)
        except ValueError:
            continue
    return found


def measure_strokes(cell: Trained) -> Measured:
    """Effects of the codes on slant, width and thickness of generated digits, compared with the noise dimensions.

    The code of a property is selected on one design and scored on a fresh one. Only ``code_over_noise`` selects where
    it scores: it is the largest ratio over all properties and codes of the scoring design.
    """
    draws = cell.stream()
    calibrate_generator(cell.generator, cell.spec, draws)

    def shapes(images_NCHW: Tensor) -> dict[str, np.ndarray]:
        return morphology.measure(cell.unscaled(images_NCHW))

    found = sobol_indices(cell.generator, cell.spec, shapes, draws, SELECTION_ROWS)
    scored = sobol_indices(cell.generator, cell.spec, shapes, draws, SCORING_ROWS)
    continuous = {
        name for name, code in zip(cell.spec.names, cell.spec.codes, strict=True) if isinstance(code, Continuous)
    }
    train_NCHW = cell.dataset.train.images
    real = morphology.measure(unit(train_NCHW[random_rows(len(train_NCHW), NUM_SAMPLES)]))
    data_std = {name: float(np.nanstd(real[name])) for name in STROKES.values()}
    result = Measured(details={"selection": found.to_json(), "scoring": scored.to_json(), "sweeps": {}})
    ratios = []
    for name, column in STROKES.items():
        indices, null, selected = scored.properties[column], scored.noise_null(column), found.properties[column]
        if indices is None or null is None or selected is None:
            continue
        ratios.append(max(indices.first_order[code] for code in scored.codes) / max(null, 1e-3))
        candidates = [code for code in scored.codes if code in continuous]
        if not candidates:
            continue
        code = max(candidates, key=lambda c: selected.first_order[c])
        swept = sweep(
            cell.generator,
            cell.spec,
            code,
            shapes,
            draws,
            data_std=data_std,
            digits=lambda images: cell.classifier.model.digits(cell.unscaled(images)),
        )
        prior = swept.ranges[0]
        change = prior.changes[column]
        result.details["sweeps"][name] = swept.to_json()
        result.values[f"{name}_first_order"] = indices.first_order[code]
        result.values[f"{name}_over_noise"] = indices.first_order[code] / max(null, 1e-3)
        if change is not None:
            result.values[f"{name}_effect_std"] = abs(change.mean_in_data_std)
        if prior.digit_kept is not None:
            result.values[f"{name}_digit_kept"] = prior.digit_kept
    if ratios:
        result.values["code_over_noise"] = max(ratios)
    return result
