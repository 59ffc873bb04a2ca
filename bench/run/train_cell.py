"""Trains one cell: resume, checkpoints, history, measures at the end. It writes records only.

A cell pauses after each iteration, so that a process may hold several of them that take turns.

Imports torch. The launcher never imports this file; the warm server does, once, and workers are forked from it.
"""

import contextlib
import gc
import io
import time
import traceback
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field
from typing import cast

import numpy as np
import torch

from bench.environment import ROOT, data_record
from bench.records.folder import NEWEST, CellFolder
from bench.records.history import History
from bench.records.locks import Lock, LockLost
from bench.records.schema import HealthRecord, Result, Seconds
from bench.records.storage import CorruptRecord, in_words
from bench.records.tasks import STRETCH, CellTask, EventValues
from bench.run.configuration import training_config
from bench.run.measure_cell import load_dataset, measure
from bench.run.own import trainer
from bench.spec.cells import evaluation_code
from infogan.architectures import ARCHITECTURES
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
from infogan.runtime import peak_memory_mb, release_heap
from infogan.streams import stream
from infogan.together import iterations as paused
from infogan.training import NonFiniteLoss
from infogan.weights import packed

NUM_PARTS = 4  # pictures are taken after each quarter of the training
SNAPSHOT_SAMPLES = 1_280  # of the prior, to freeze G's batch norm for a picture

Report = Callable[[str, EventValues], None]  # kind of event, its values


@dataclass
class _Clock:
    """Where a cell's seconds go, over all its resumptions."""

    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("train", "checkpoint", "evaluate", "prepare"), 0.0)
    )
    step_iterations: list[int] = field(default_factory=list)
    step_ms: list[float] = field(default_factory=list)
    resumes: int = 0

    def add(self, what: str, since: float) -> None:
        self.seconds[what] += time.perf_counter() - since


Turns = Generator[None, None, bool]  # pauses, then whether training has reached its end


class CellRun:
    """One attempt at one cell; ``num_together``: cells that the process trains in turns with it, itself included."""

    def __init__(
        self,
        task: CellTask,
        report: Report,
        should_stop: Callable[[], bool],
        held: Lock | None = None,
        num_together: int = 1,
    ) -> None:
        self.task, self.report, self.should_stop, self.num_together = task, report, should_stop, num_together
        self.folder = CellFolder.of(task.results, task.cell, held)
        self.clock = _Clock()
        self.notes: list[str] = []

    def turns(self) -> Generator[None, None, str]:
        """Pauses after each iteration, then returns ``done``, ``stopped`` or ``failed``, which is recorded with its
        traceback; or, where others train in this process too and measures are missing, ``trained``. Raises LockLost.
        """
        try:
            trained = self._is_trained()
        except (OSError, MemoryError) as error:  # what was trained stays done
            message = f"its records cannot be read: {in_words(error) if isinstance(error, OSError) else error}"
            self.report("failed", {"message": message})
            return "failed"
        try:
            trained = trained or (yield from self._run())
        except LockLost:
            raise
        except Exception as error:
            failure: Result = {
                "status": "failed",
                "notes": self.notes,
                "error": type(error).__name__,
                "message": " ".join(str(error).split()) or type(error).__name__,
                "traceback": traceback.format_exc().replace(f"{ROOT}/", ""),  # records travel
            }
            if isinstance(error, NonFiniteLoss):
                failure |= {"iteration": error.iteration, "values": {k: repr(v) for k, v in error.values.items()}}
            with contextlib.suppress(OSError):  # on a full disk the message alone tells; the cell stays partial
                self.folder.write_result(failure)
            self.report("failed", {"message": failure["message"]})
            return "failed"
        if not trained:
            return "stopped"
        if self.folder.unmeasured(self.task.cell):
            self._leave_training()
            if self.num_together > 1:  # or it would keep the others waiting, for minutes
                self.report("trained", {})
                return "trained"
        config = training_config(self.task.cell.config)
        try:
            outcome, message = measure(self.task, self.folder, config, self.report, self.should_stop)
        except OSError as error:  # what was trained stays done
            outcome, message = "failed", f"measures cannot be written: {error}"
        self.report(outcome, {"message": message})
        return outcome

    def _leave_training(self) -> None:
        """Give back what only training needs before anything is measured: moments and the images' second copy."""
        vars(self).pop("trainer", None)  # none where only measures were missing
        gc.collect()
        release_heap()

    def _is_trained(self) -> bool:
        if (self.folder.result() or {}).get("status") != "done" or self.folder.end_damage():
            return False
        self.folder.remove_checkpoints()  # of a process that was killed between its result and this
        return True

    def _run(self) -> Turns:
        """Returns False where it was told to stop before the end."""
        started = time.perf_counter()
        task = self.task
        wanted = task.cell.config["data"]
        self.dataset = load_dataset(wanted, task.data_dir)
        images = torch.from_numpy(self.dataset.train.images[: wanted["num_images"]])
        self.folder.remove_temporaries()
        damage = self.folder.end_damage()
        self.folder.write_identity(task.cell, task.environment, data_record(self.dataset.info))
        if "images" in wanted:
            self.folder.write_contact(self.dataset.train.images[: wanted["num_images"]])
        if damage:
            self._note(f"{damage}; the cell is trained again")
            self.folder.remove_measures(task.cell.measures)  # on another processor the networks may come out otherwise
        self.folder.remove_result()
        self.trainer = trainer(task.cell.config, task.own, images, task.cell.seed)
        check_yardstick(self._real_images())
        self._resume()
        self.clock.add("prepare", started)
        if not (yield from self._train()):
            return False
        self._finish()
        return True

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.report("note", {"text": text})

    def _resume(self) -> None:
        name = ""
        for name, content in self.folder.checkpoints():
            if isinstance(content, CorruptRecord):
                self._note(f"{content}; " + ("using the one before" if name == NEWEST else "neither is used"))
                continue
            state = torch.load(io.BytesIO(content), weights_only=True, map_location=self.trainer.config.device)
            if state["key"] != self.task.cell.key:
                self._note(f"{name} belongs to another definition and was not used")
                continue
            self.trainer.load_state_dict(state["trainer"])
            clock = state["clock"]
            self.clock = _Clock(clock["seconds"], clock["step_iterations"], clock["step_ms"], clock["resumes"] + 1)
            self.notes = state["notes"] + self.notes
            self.report("resumed", {"iteration": self.trainer.iteration, "train_s": clock["seconds"]["train"]})
            return
        if name:
            self._note("no checkpoint can be used; the cell starts anew")

    def _train(self) -> Turns:
        """Returns False where it was told to stop before the end."""
        on_gpu = self.trainer.config.device != "cpu"
        iterations = self.trainer.config.iterations
        snapshots = {iterations * k // NUM_PARTS for k in range(1, NUM_PARTS)}
        probed: set[int] = set()
        if set(OF_PROBES) & set(self.task.cell.measures):
            from infogan.measures.probes import probe_iterations  # brings scikit-learn: other cells do without

            probed = set(probe_iterations(iterations))
        steps = paused(self.trainer, STRETCH if on_gpu else 1, also_at=[*snapshots, *probed])
        saved_at, stretch_start, stretch_s = time.perf_counter(), self.trainer.iteration, 0.0
        saved_iteration, every = self.trainer.iteration, self.task.checkpoint_every or 0
        started = time.perf_counter()
        for progress in steps:
            if progress is None:
                yield
                continue
            stretch_s += time.perf_counter() - started
            self.clock.add("train", started)
            if progress.iteration - stretch_start >= STRETCH or self.trainer.done:
                self.clock.step_iterations.append(progress.iteration)
                self.clock.step_ms.append(1e3 * stretch_s / (progress.iteration - stretch_start))
                stretch_start, stretch_s = progress.iteration, 0.0
            self.report("progress", {"iteration": progress.iteration, "metrics": progress.metrics})
            if self.trainer.capture_note not in (None, *self.notes):
                self._note(str(self.trainer.capture_note))
            if progress.iteration in snapshots:
                self._snapshot()
            if progress.iteration in probed:
                self._probe()
            stop = self.should_stop() and not self.trainer.done
            due = time.perf_counter() - saved_at >= self.task.checkpoint_every_s
            # passed, not met: a GPU is read from only now and then
            passed = every > 0 and progress.iteration // every > saved_iteration // every
            if stop or due or passed:
                self._checkpoint()
                saved_at, saved_iteration = time.perf_counter(), progress.iteration
            if stop:
                self.report("stopped", {"iteration": progress.iteration})
                return False
            started = time.perf_counter()
        return True

    def _traversals(self, evaluation: torch.Generator) -> dict[str, np.ndarray]:
        """A grid per code, with G's frozen statistics."""
        generator, spec = self.trainer.players.generator, self.trainer.config.latents
        signed = ARCHITECTURES[self.trainer.config.architecture].output == "tanh"
        return {
            name: traversal(generator, spec, index, evaluation, signed=signed).cpu().numpy()
            for index, name in enumerate(spec.names)
        }

    def _snapshot(self) -> None:
        """Pictures during training. They draw from a stream of their own and leave weights and moments alone."""
        started = time.perf_counter()
        evaluation = stream(self.task.cell.seed, "evaluation", self.trainer.config.device)
        calibrate_generator(self.trainer.players.generator, self.trainer.config.latents, evaluation, SNAPSHOT_SAMPLES)
        self.folder.write_snapshot(self.trainer.iteration, self._traversals(evaluation))
        self.clock.add("evaluate", started)

    def _probe(self) -> None:
        """What measures against the iteration need, with the same independence as pictures."""
        from infogan.measures import probes

        started = time.perf_counter()
        config, players, seed = self.trainer.config, self.trainer.players, self.task.cell.seed
        train, num = self.dataset.train, self.task.cell.config["data"]["num_images"]
        arrays = probes.take(
            players.generator,
            players.discriminator,
            config.latents,
            Part(train.images[:num], None if train.labels is None else train.labels[:num]),
            self.dataset.test,
            self.trainer.scaled,
            stream(seed, "evaluation", config.device),
            signed=ARCHITECTURES[config.architecture].output == "tanh",
        )
        is_baseline = not any(config.step.mi_weight_generator)
        is_wanted = is_baseline and bool(set(OF_GENERATORS) & set(self.task.cell.measures))
        if is_wanted and self.trainer.iteration in probes.generator_iterations(config.iterations):
            state = players.generator.state_dict()
            arrays |= {f"generator/{name}": value.cpu().numpy() for name, value in state.items()}
        self.folder.write_probe(self.trainer.iteration, arrays)
        self.clock.add("evaluate", started)

    def _checkpoint(self) -> None:
        started = time.perf_counter()
        clock = self.clock
        content = io.BytesIO()
        state = {
            "key": self.task.cell.key,
            "trainer": self.trainer.state_dict(),
            "clock": {
                "seconds": clock.seconds,
                "step_iterations": clock.step_iterations,
                "step_ms": clock.step_ms,
                "resumes": clock.resumes,
            },
            "notes": self.notes,
        }
        torch.save(state, content)
        self.folder.write_checkpoint(content.getvalue())
        self._write_history()
        clock.add("checkpoint", started)
        self.report("durable", {"iteration": self.trainer.iteration, "train_s": clock.seconds["train"]})

    def _write_history(self) -> None:
        names, values = self.trainer.metric_names, self.trainer.history()
        self.folder.write_history(
            History(names, values, np.array(self.clock.step_iterations), np.array(self.clock.step_ms))
        )

    def _real_images(self) -> torch.Tensor:
        """Those that the samples' health is judged against, at random but always the same ones."""
        images_NCHW = self.trainer.images_NCHW
        rows = torch.from_numpy(random_rows(len(images_NCHW), NUM_SAMPLES)).to(images_NCHW.device)
        return self.trainer.scaled(images_NCHW[rows])

    def _health(self, evaluation: torch.Generator) -> Health:
        """Health of the finished training, on prior samples and as many of its images."""
        trainer, spec = self.trainer, self.trainer.config.latents
        history = dict(zip(trainer.metric_names, trainer.history().T, strict=True))
        bounds = {name: history[f"mi/{name}"] for name in spec.names}
        real_NCHW = self._real_images()
        return health(
            prior_samples(trainer.players.generator, spec, evaluation, len(real_NCHW)),
            real_NCHW,
            saturation(history["loss/discriminator"]),
            silent_codes(spec, bounds, trainer.config.step.mi_weight_generator),
        )

    def _finish(self) -> None:
        started = time.perf_counter()
        self.report("evaluating", {})
        for optimizer in (self.trainer.players.optimizer_generator, self.trainer.players.optimizer_discriminator):
            optimizer.zero_grad(set_to_none=True)
        release_heap()
        players, spec = self.trainer.players, self.trainer.config.latents
        evaluation = stream(self.task.cell.seed, "evaluation", self.trainer.config.device)
        bounds = frozen_bounds_nats(players.generator, players.discriminator, spec, evaluation)
        grids = self._traversals(evaluation)
        judged = self._health(evaluation)  # draws after all else, so that no other number depends on it
        if judged.status != "ok":
            self._note(f"{judged.status}: {judged.reason}")
        given_up_at = self.trainer.given_up_at
        if given_up_at is not None:
            self._note(f"given up at iteration {given_up_at} by the authors' rule")
        self.clock.add("evaluate", started)
        started = time.perf_counter()
        self._write_history()
        self.folder.write_traversals(grids)
        states = {"generator": players.generator.state_dict(), "discriminator": players.discriminator.state_dict()}
        self.folder.write_weights(packed(states))
        self.clock.add("checkpoint", started)
        result: Result = {
            "status": "done",
            "iterations": self.trainer.iteration,
            "mi_frozen_nats": dict(zip(spec.names, bounds.tolist(), strict=True)),
            "health": cast(HealthRecord, asdict(judged)),
            "seconds": cast(Seconds, self.clock.seconds),
            "resumes": self.clock.resumes,
            "evaluation_code": evaluation_code(),
            "peak_memory_mb": peak_memory_mb(),
            "notes": self.notes,
        }
        if given_up_at is not None:
            result["given_up_at"] = given_up_at
        if self.num_together > 1:  # its seconds are not those of a cell alone
            result["num_together"] = self.num_together
        self.folder.write_result(result)
        self.folder.remove_checkpoints()
