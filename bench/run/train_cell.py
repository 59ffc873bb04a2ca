"""Train one cell and measure it: one attempt, from what is recorded to its outcome. It only writes records.

A cell yields after each iteration, so that several can take turns in one process.

Imports torch. The launcher never imports this module; the warm server imports it once and workers are forked from it.
"""

import contextlib
import gc
import traceback
from collections.abc import Callable, Generator

from bench.environment import ROOT
from bench.records.folder import CellFolder
from bench.records.locks import Lock, LockLost
from bench.records.schema import Result
from bench.records.storage import in_words
from bench.records.tasks import CellTask
from bench.run.cell_training import CellTraining
from bench.run.configuration import training_config
from bench.run.measure_cell import OnReport, measure
from infogan.runtime import release_heap
from infogan.training import NonFiniteLoss


class CellRun:
    """One attempt at a cell. ``num_together``: number of cells that take turns in this process, including this one."""

    def __init__(
        self,
        task: CellTask,
        report: OnReport,
        should_stop: Callable[[], bool],
        held: Lock | None = None,
        num_together: int = 1,
    ) -> None:
        self.task, self.report, self.should_stop, self.num_together = task, report, should_stop, num_together
        self.folder = CellFolder.of(task.results, task.cell, held)
        self.training = CellTraining(task, self.folder, report, should_stop, num_together)

    def turns(self) -> Generator[None, None, str]:
        """Yield after each iteration; return the outcome ``done``, ``stopped`` or ``failed``, which is recorded.

        Returns ``trained`` if measures are missing but other cells train in this process. Raises LockLost.
        """
        try:
            trained = self._is_trained()
        except (OSError, MemoryError) as error:  # the training stays done
            message = f"its records cannot be read: {in_words(error) if isinstance(error, OSError) else error}"
            self.report("failed", {"message": message})
            return "failed"
        try:
            trained = trained or (yield from self.training.turns())
        except LockLost:
            raise
        except Exception as error:
            failure = Result(
                status="failed",
                notes=self.training.notes,
                error=type(error).__name__,
                message=" ".join(str(error).split()) or type(error).__name__,
                traceback=traceback.format_exc().replace(f"{ROOT}/", ""),  # records may leave this machine
            )
            if isinstance(error, NonFiniteLoss):
                values = {k: repr(v) for k, v in error.values.items()}
                failure = failure.model_copy(update={"iteration": error.iteration, "values": values})
            with contextlib.suppress(OSError):  # on a full disk, only the message is left and the cell stays partial
                self.folder.write_result(failure)
            self.report("failed", {"message": failure.message})
            return "failed"
        if not trained:
            return "stopped"
        if self.folder.unmeasured(self.task.cell):
            self._leave_training()
            if self.num_together > 1:  # measuring would keep the others waiting for minutes
                self.report("trained", {})
                return "trained"
        config = training_config(self.task.cell.config)
        try:
            outcome, message = measure(self.task, self.folder, config, self.report, self.should_stop)
        except OSError as error:  # the training stays done
            outcome, message = "failed", f"measures cannot be written: {error}"
        self.report(outcome, {"message": message})
        return outcome

    def _leave_training(self) -> None:
        """Free the memory that only training needs before measuring: optimiser state and the copy of the images."""
        del self.training
        gc.collect()
        release_heap()

    def _is_trained(self) -> bool:
        result = self.folder.result()
        if result is None or result.status != "done" or self.folder.end_damage():
            return False
        self.folder.remove_checkpoints()  # left by a process that was killed right after it wrote its result
        return True
