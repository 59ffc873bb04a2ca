"""How far a cell's training has come: its checkpoints and its history. Every record names the cell it belongs to.

checkpoint.pt    newest state to resume from; checkpoint.previous.pt: the one before; deleted when the cell is done
history.npz      metrics of every iteration that a checkpoint covers
"""

from collections.abc import Iterator

from bench.records.arrays import CellArrays
from bench.records.history import History
from bench.records.seals import read_sealed, write_sealed
from bench.records.storage import CorruptRecord, sync_folder

NEWEST, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"


class CellCheckpoints(CellArrays):
    """Read and write what a cell resumes from."""

    def write_checkpoint(self, content: bytes) -> None:
        """Write the newest state and keep the previous one."""
        current, previous = self._own(NEWEST), self._file(PREVIOUS)
        incoming = self._file("checkpoint.incoming.pt")
        write_sealed(incoming, content, self.key)
        if current.exists():
            current.replace(previous)
        incoming.replace(current)
        sync_folder(self.path)

    def checkpoints(self) -> Iterator[tuple[str, bytes | CorruptRecord]]:
        """Names and contents, newest first; a damaged one is yielded as its error, so that the caller can go on."""
        for name in (NEWEST, PREVIOUS):
            try:
                yield name, read_sealed(self._file(name), self.key)
            except FileNotFoundError:
                continue
            except CorruptRecord as error:
                yield name, error

    def has_checkpoint(self) -> bool:
        return any(self._file(name).exists() for name in (NEWEST, PREVIOUS))

    def remove_checkpoints(self) -> None:
        """Remove all checkpoints and temporary files."""
        for path in self.path.glob("checkpoint*.pt"):
            self._own(path.name).unlink(missing_ok=True)
        self.remove_temporaries()

    def remove_temporaries(self) -> None:
        """Remove half-written files of killed processes. Call it only as the cell's lock holder, the only writer.

        Temporary files of tracking.json are kept: the launcher writes it without this lock.
        """
        for path in self.path.glob(".*"):
            if not path.name.startswith(".tracking"):
                self._own(path.name).unlink(missing_ok=True)

    def write_history(self, history: History) -> None:
        write_sealed(self._own("history.npz"), history.to_bytes(), self.key)

    def history(self) -> History | None:
        """The recorded history; None before the first checkpoint. Raises CorruptRecord."""
        try:
            content = read_sealed(self._file("history.npz"), self.key)
        except FileNotFoundError:
            return None
        return History.from_bytes(content)
