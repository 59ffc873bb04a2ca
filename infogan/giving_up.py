"""The rule by which the authors' research code gives up a run: GAN losses or bounds that stay stuck for too long.

Source: florensacc/rllab-curriculum at 23095a6d, infogan_trainer.py. Means are taken over an epoch of 100 updates. An
epoch counts as stuck if the smaller GAN loss is below 1e-3 nats, or the largest D(fake) below 0.01, or the bound of the
continuous codes below 0 nats, or that of the categorical ones below 0.01 nats. 50 stuck epochs in a row end the run.
Epochs of the warm-up don't count.
"""

import numpy as np

from infogan.codes import LatentSpec
from infogan.step import FAKE_MAX, StepSettings, metric_names

EPOCH_ITERATIONS = 100
PATIENCE_EPOCHS = 50
LOSS_NATS, FAKE_PROBABILITY, CONTINUOUS_NATS, CATEGORICAL_NATS = 1e-3, 0.01, 0.0, 0.01


def stuck_epochs(history_TM: np.ndarray, spec: LatentSpec, settings: StepSettings) -> np.ndarray:
    """Whether each complete epoch is stuck, (E,).

    Columns of the history are those of :func:`infogan.step.metric_names`.
    """
    names = metric_names(spec, settings)
    num = len(history_TM) // EPOCH_ITERATIONS
    whole = history_TM[: num * EPOCH_ITERATIONS].reshape(num, EPOCH_ITERATIONS, len(names))
    mean = dict(zip(names, whole.mean(axis=1, dtype=np.float64).T, strict=True))
    stuck = np.minimum(mean["loss/discriminator"], mean["loss/generator"]) < LOSS_NATS
    stuck |= mean[FAKE_MAX] < FAKE_PROBABILITY
    for kind, bound_nats in (("continuous", CONTINUOUS_NATS), ("categorical", CATEGORICAL_NATS)):
        bounds = [mean[f"mi/{name}"] for name, code in zip(spec.names, spec.codes, strict=True) if code.kind == kind]
        if bounds:
            stuck |= np.sum(bounds, axis=0) < bound_nats
    stuck[: -(-settings.warm_up_iterations // EPOCH_ITERATIONS)] = False
    return stuck


def given_up_at(history_TM: np.ndarray, spec: LatentSpec, settings: StepSettings) -> int | None:
    """Iteration at which the rule ends the run; None if it does not, or if the settings do not use it."""
    if settings.give_up == "never":
        return None
    in_a_row = 0
    for epoch, is_stuck in enumerate(stuck_epochs(history_TM, spec, settings), 1):
        in_a_row = in_a_row + 1 if is_stuck else 0
        if in_a_row >= PATIENCE_EPOCHS:
            return epoch * EPOCH_ITERATIONS
    return None
