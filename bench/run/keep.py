"""Data that a training cell keeps of its networks: image grids, probes, health and frozen L_I.

Everything draws from its own streams and does not change weights or optimiser state. Imports torch.
"""

import numpy as np
import torch

from bench.records.folder import CellFolder
from bench.spec.cells import Cell
from infogan.architectures import ARCHITECTURES
from infogan.data import Dataset
from infogan.data.base import Part
from infogan.measures.bound import frozen_bounds_nats
from infogan.measures.calibration import calibrate_generator
from infogan.measures.catalogue import OF_GENERATORS, OF_PROBES
from infogan.measures.health import (
    NUM_SAMPLES,
    Health,
    check_yardstick,
    health,
    prior_samples,
    saturation,
    silent_codes,
)
from infogan.measures.subsets import random_rows
from infogan.measures.traversals import traversal
from infogan.streams import stream
from infogan.training import Trainer

NUM_PARTS = 4  # grids are drawn after each quarter of the training
SNAPSHOT_SAMPLES = 1_280  # prior samples that freeze G's batch norm for a grid


class Keeper:
    """Keeps the data of one cell's networks. Raises ValueError if the images cannot serve as a reference for health."""

    def __init__(self, cell: Cell, folder: CellFolder, trainer: Trainer, dataset: Dataset) -> None:
        self.cell, self.folder, self.trainer, self.dataset = cell, folder, trainer, dataset
        self.spec = trainer.config.latents
        self.signed = ARCHITECTURES[trainer.config.architecture].output == "tanh"
        iterations = trainer.config.iterations
        self.snapshots = {iterations * k // NUM_PARTS for k in range(1, NUM_PARTS)}  # iterations with grids
        self.probed: set[int] = set()
        if set(OF_PROBES) & set(cell.measures):
            from infogan.measures.probes import probe_iterations  # imports scikit-learn, which other cells do not need

            self.probed = set(probe_iterations(iterations))
        check_yardstick(self._real_images())

    def take(self, iteration: int) -> bool:
        """Keep what is due after an iteration; return whether anything was."""
        if iteration in self.snapshots:
            self._snapshot(iteration)
        if iteration in self.probed:
            self._probe(iteration)
        return iteration in self.snapshots | self.probed

    def take_final(self) -> tuple[dict[str, float], dict[str, np.ndarray], Health]:
        """L_I by code in nats, a grid by code, and the health of samples, all with frozen statistics."""
        players, evaluation = self.trainer.players, self._stream()
        bounds = frozen_bounds_nats(players.generator, players.discriminator, self.spec, evaluation)
        grids = self._traversals(evaluation)
        judged = self._health(evaluation)  # last, so that no other number depends on its draws
        return dict(zip(self.spec.names, bounds.tolist(), strict=True)), grids, judged

    def _stream(self) -> torch.Generator:
        return stream(self.cell.seed, "evaluation", self.trainer.config.device)

    def _snapshot(self, iteration: int) -> None:
        evaluation = self._stream()
        calibrate_generator(self.trainer.players.generator, self.spec, evaluation, SNAPSHOT_SAMPLES)
        self.folder.write_snapshot(iteration, self._traversals(evaluation))

    def _traversals(self, evaluation: torch.Generator) -> dict[str, np.ndarray]:
        """One grid per code, with G's frozen statistics."""
        generator = self.trainer.players.generator
        return {
            name: traversal(generator, self.spec, index, evaluation, signed=self.signed).cpu().numpy()
            for index, name in enumerate(self.spec.names)
        }

    def _probe(self, iteration: int) -> None:
        """Keep the data of a probe, for measures over time."""
        from infogan.measures import probes

        config, players = self.trainer.config, self.trainer.players
        train, num = self.dataset.train, self.cell.config["data"]["num_images"]
        arrays = probes.take(
            players.generator,
            players.discriminator,
            self.spec,
            Part(train.images[:num], None if train.labels is None else train.labels[:num]),
            self.dataset.test,
            self.trainer.scaled,
            self._stream(),
            signed=self.signed,
        )
        is_baseline = not any(config.step.mi_weight_generator)
        is_wanted = is_baseline and bool(set(OF_GENERATORS) & set(self.cell.measures))
        if is_wanted and iteration in probes.generator_iterations(config.iterations):
            state = players.generator.state_dict()
            arrays |= {f"generator/{name}": value.cpu().numpy() for name, value in state.items()}
        self.folder.write_probe(iteration, arrays)

    def _real_images(self) -> torch.Tensor:
        """Random but fixed real images, the reference for the samples' health."""
        images_NCHW = self.trainer.images_NCHW
        rows = torch.from_numpy(random_rows(len(images_NCHW), NUM_SAMPLES)).to(images_NCHW.device)
        return self.trainer.scaled(images_NCHW[rows])

    def _health(self, evaluation: torch.Generator) -> Health:
        trainer = self.trainer
        history = dict(zip(trainer.metric_names, trainer.history().T, strict=True))
        bounds = {name: history[f"mi/{name}"] for name in self.spec.names}
        real_NCHW = self._real_images()
        return health(
            prior_samples(trainer.players.generator, self.spec, evaluation, len(real_NCHW)),
            real_NCHW,
            saturation(history["loss/discriminator"]),
            silent_codes(self.spec, bounds, trainer.config.step.mi_weight_generator),
        )
