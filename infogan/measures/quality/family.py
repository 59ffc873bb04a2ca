"""The family "samples": quality and diversity of a cell's samples, for any data set.

Images are compared in the features of our own networks: the factor readers if factors are known, else the digit
classifier. Shape suffixes: N images, F features, C channels, H height, W width.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from infogan.measures.calibration import calibrate_generator
from infogan.measures.factors.readers import factor_readers
from infogan.measures.images import pixels, unit
from infogan.measures.quality import distances
from infogan.measures.subsets import random_rows
from infogan.measures.trained import Measured, Trained

NUM_SAMPLES = 5_000  # and as many real images; at most half of the training images, so that two halves can be compared
NUM_SHOWN = (3, 10)  # rows and columns of samples, each above its nearest training image

Features = Callable[[Tensor], Tensor]  # images in [0, 1] (N, C, H, W) to (N, F)


def measure_samples(cell: Trained) -> Measured:
    """Distances, precision, recall, density, coverage and diversity of samples against random training images.

    The same is computed for other random training images, an upper limit for any generator, and in part for held-out
    ones. For digits also the number of digits covered and the diversity within categories. Absent, with the reason, if
    the images have neither factors nor labels.
    """
    train, test = cell.dataset.train, cell.dataset.test
    index = cell.first_categorical()
    details: dict[str, object] = {}
    features: Features
    if train.factors is not None:
        try:
            features = factor_readers(cell.dataset).features
        except ValueError as error:  # too few images, constant factors
            return Measured(reasons={"": str(error)})
    elif train.labels is not None:
        features = cell.classifier.model.features
        details["classifier_accuracy"] = cell.classifier.test_accuracy
    else:
        return Measured(reasons={"": f"the images of {cell.dataset.info.name} have neither factors nor labels"})
    draws = cell.stream()
    calibrate_generator(cell.generator, cell.spec, draws)
    samples_NCHW, values = cell.samples(NUM_SAMPLES, draws)
    if not torch.isfinite(samples_NCHW).all():  # a broken generator: distances are undefined
        return Measured({"precision": 0.0, "recall": 0.0}, reasons={"": "the samples are not finite"})
    num = min(NUM_SAMPLES, len(train.images) // 2)
    rows, other_rows = (random_rows(len(train.images), num, skip) for skip in (0, num))
    samples_NF, real_NF = features(samples_NCHW[:num]), features(unit(train.images[rows]))
    training_NF = features(unit(train.images[other_rows]))
    held_out_NF = features(unit(test.images[random_rows(len(test.images), num)]))
    rng = np.random.default_rng(cell.seed)
    result = Measured(
        _judged(samples_NF, real_NF)
        | {f"{name}_training": value for name, value in _judged(training_NF, real_NF).items()}
        | {"kid_deviation": distances.kid_deviation(samples_NF, real_NF, rng)},
        details | {"num_images": num, "num_held_out": len(held_out_NF)},
        grids={"nearest": _nearest_sheet(samples_NCHW, torch.from_numpy(train.images[: cell.num_images]))},
    )
    if len(held_out_NF) > distances.NEIGHBOURS:  # a user's own data set may hold out fewer
        result.values["kid_held_out"] = distances.kid(held_out_NF, real_NF)
        result.values["precision_held_out"] = distances.precision_recall(held_out_NF, real_NF).precision
    if train.factors is not None or train.labels is None:
        result.values["diversity"] = distances.mean_distance(samples_NF) / distances.mean_distance(real_NF)
        return result
    seen = cell.classifier.model.digits(samples_NCHW)
    groups = values[index].cpu().numpy() if index is not None else seen
    diversity = distances.diversity(samples_NF, groups[:num], real_NF, train.labels[rows])
    result.values |= {
        "digits_covered": float(distances.digits_covered(seen)),
        "diversity": diversity.overall,
        "diversity_within": diversity.within,
    }
    result.details["diversity"] = diversity.to_json()
    return result


def _judged(points_NF: Tensor, real_NF: Tensor) -> dict[str, float]:
    """Scores of a set of images against as many real ones."""
    manifold, balls = distances.precision_recall(points_NF, real_NF), distances.density_coverage(points_NF, real_NF)
    return {
        "kid": distances.kid(points_NF, real_NF),
        "frechet": distances.frechet(points_NF, real_NF),
        **manifold._asdict(),
        **balls._asdict(),
    }


def _nearest_sheet(samples_NCHW: Tensor, training_NCHW: Tensor) -> np.ndarray:
    """Unselected samples, each above its closest training image in pixel space: (rows, columns, H, W, C) uint8."""
    rows, columns = NUM_SHOWN
    samples_NCHW = pixels(samples_NCHW[: rows * columns]).cpu()
    flat, training = samples_NCHW.flatten(1), training_NCHW.flatten(1)
    closest_NCHW = training_NCHW[torch.from_numpy(distances.nearest(flat, training).indices)]
    sheet = torch.stack([part.unflatten(0, (rows, columns)) for part in (samples_NCHW, closest_NCHW)], dim=1)
    return sheet.flatten(0, 1).movedim(2, -1).numpy()
