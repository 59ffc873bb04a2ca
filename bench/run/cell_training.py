"""The training of one cell: resume, the loop with its checkpoints and history, and the records of its end.

Imports torch. It yields after each iteration, so that several cells can take turns in one process.
"""

import io
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field

import numpy as np
import torch

from bench.environment import data_record
from bench.records.checkpoints import NEWEST
from bench.records.folder import CellFolder
from bench.records.history import History
from bench.records.schema import HealthRecord, Result, Seconds
from bench.records.storage import CorruptRecord
from bench.records.tasks import STRETCH, CellTask
from bench.run.keep import Keeper
from bench.run.measure_cell import OnReport, load_dataset
from bench.run.own import trainer
from bench.spec.cells import evaluation_code
from infogan.runtime import peak_memory_mb, release_heap
from infogan.together import iterations as paused
from infogan.weights import packed

Turns = Generator[None, None, bool]  # yields after each iteration; returns whether training is complete


@dataclass
class _Clock:
    """Seconds that a cell spends on each activity, over all its resumptions."""

    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("train", "checkpoint", "evaluate", "prepare"), 0.0)
    )
    step_iterations: list[int] = field(default_factory=list)
    step_ms: list[float] = field(default_factory=list)
    resumes: int = 0

    def add(self, what: str, since: float) -> None:
        self.seconds[what] += time.perf_counter() - since


class CellTraining:
    """The training of one attempt at a cell, with its networks, notes and clock. ``num_together``: as in CellRun."""

    def __init__(
        self, task: CellTask, folder: CellFolder, report: OnReport, should_stop: Callable[[], bool], num_together: int
    ) -> None:
        self.task, self.folder, self.report = task, folder, report
        self.should_stop, self.num_together = should_stop, num_together
        self.clock = _Clock()
        self.notes: list[str] = []

    def turns(self) -> Turns:
        """Train the cell; return False if it was told to stop. Raises LockLost, and whatever a training may raise."""
        started = time.perf_counter()
        task = self.task
        wanted = task.cell.config["data"]
        dataset = load_dataset(wanted, task.data_dir)
        images = torch.from_numpy(dataset.train.images[: wanted["num_images"]])
        self.folder.remove_temporaries()
        damage = self.folder.end_damage()
        self.folder.write_identity(task.cell, task.environment, data_record(dataset.info))
        if "images" in wanted:
            self.folder.write_contact(dataset.train.images[: wanted["num_images"]])
        if damage:
            self._note(f"{damage}; the cell is trained again")
            self.folder.remove_measures(task.cell.measures)  # on another processor, the networks may differ
        self.folder.remove_result()
        self.trainer = trainer(task.cell.config, task.own, images, task.cell.seed)
        self.keeper = Keeper(task.cell, self.folder, self.trainer, dataset)
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
            self.clock = _Clock(**state["clock"])
            self.clock.resumes += 1
            self.notes = state["notes"] + self.notes
            self.report("resumed", {"iteration": self.trainer.iteration, "train_s": self.clock.seconds["train"]})
            return
        if name:
            self._note("no checkpoint can be used; the cell starts again from the beginning")

    def _train(self) -> Turns:
        """The training loop; returns False if it was told to stop."""
        on_gpu = self.trainer.config.device != "cpu"
        also_at = [*self.keeper.snapshots, *self.keeper.probed]
        steps = paused(self.trainer, STRETCH if on_gpu else 1, also_at=also_at)
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
            kept_at = time.perf_counter()
            if self.keeper.take(progress.iteration):
                self.clock.add("evaluate", kept_at)
            stop = self.should_stop() and not self.trainer.done
            due = time.perf_counter() - saved_at >= self.task.checkpoint_every_s
            # passed, not hit exactly: a GPU is read only every few iterations
            passed = every > 0 and progress.iteration // every > saved_iteration // every
            if stop or due or passed:
                self._checkpoint()
                saved_at, saved_iteration = time.perf_counter(), progress.iteration
            if stop:
                self.report("stopped", {"iteration": progress.iteration})
                return False
            started = time.perf_counter()
        return True

    def _checkpoint(self) -> None:
        started = time.perf_counter()
        clock = self.clock
        content = io.BytesIO()
        state = {
            "key": self.task.cell.key,
            "trainer": self.trainer.state_dict(),
            "clock": asdict(clock),
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

    def _finish(self) -> None:
        started = time.perf_counter()
        self.report("evaluating", {})
        for optimizer in (self.trainer.players.optimizer_generator, self.trainer.players.optimizer_discriminator):
            optimizer.zero_grad(set_to_none=True)
        release_heap()
        players = self.trainer.players
        bounds_nats, grids, judged = self.keeper.take_final()
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
        result = Result(
            status="done",
            iterations=self.trainer.iteration,
            mi_frozen_nats=bounds_nats,
            health=HealthRecord(**asdict(judged)),
            seconds=Seconds(**self.clock.seconds),
            resumes=self.clock.resumes,
            evaluation_code=evaluation_code(),
            peak_memory_mb=peak_memory_mb(),
            notes=self.notes,
        )
        if given_up_at is not None:
            result = result.model_copy(update={"given_up_at": given_up_at})
        if self.num_together > 1:  # its seconds are not those of a cell that runs alone
            result = result.model_copy(update={"num_together": self.num_together})
        self.folder.write_result(result)
        self.folder.remove_checkpoints()
