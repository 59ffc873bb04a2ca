"""The family "trajectory": measures of the probes over the iterations of a training.

Shape suffixes: N images, F features.
"""

import numpy as np
import torch

from infogan.measures.digits import assignment
from infogan.measures.images import unit
from infogan.measures.probes import NUM_HELD_OUT, NUM_SAMPLES, by_iteration
from infogan.measures.quality import distances
from infogan.measures.trained import Measured, Trained

NUM_REAL = 5_000  # training images that KID compares with


def measure_trajectory(cell: Trained) -> Measured:
    """KID and the one-to-one error of Q's category at every probe; empty without probes, categories or labels."""
    probes, train = by_iteration(cell.probes), cell.dataset.train
    index = cell.first_categorical()
    if not probes or index is None or train.labels is None or cell.dataset.test.labels is None:
        return Measured()
    num_categories = cell.spec.codes[index].input_width
    model = cell.classifier.model
    rows = torch.randperm(len(train.images), generator=torch.Generator().manual_seed(cell.seed))[:NUM_REAL].numpy()
    real_NF = model.features(unit(train.images[rows]))
    series: dict[str, list[float]] = {"iteration": [], "kid": [], "digit_error": []}
    for iteration, arrays in probes.items():
        categories, test_categories = (arrays[f"{part}-categories"].astype(np.int64) for part in ("train", "test"))
        errors = assignment.score(
            categories, arrays["train-labels"], test_categories, arrays["test-labels"], num_categories
        )
        samples_NF = model.features(unit(arrays["samples"]))
        series["iteration"].append(iteration)
        series["kid"].append(distances.kid(samples_NF, real_NF))
        series["digit_error"].append(errors.one_to_one.error)
    return Measured(
        {}, {"num_samples": NUM_SAMPLES, "num_held_out": NUM_HELD_OUT, "num_real": len(rows)}, series=series
    )
