"""MLflow as a verified, human-readable mirror of the cells' folders.

There is one writer, the launcher; a store that is down or slow delays only the mirror. A cell is synced if the store
holds exactly what the cell recorded; only then does its tracking.json say so. A point's timestamp is the run's start
plus its iteration in milliseconds, so a batch that is sent twice has the same rows, which SQL stores keep once.
"""

from bench.records.folder import CellFolder
from bench.records.storage import CorruptRecord
from bench.tracking import artifacts, runs
from bench.tracking.connection import Client, StoreError, connect, may_exist
from bench.tracking.content import artifact_files, image_steps, measure_points, recorded_points, summary_points
from bench.tracking.uri import reason, redacted

Memory = dict[str, runs.KnownRun]  # by cell key


def is_synced(folder: CellFolder, uri: str) -> bool:
    """Whether the cell's record says that its end was verified to be in the store; ``sync`` asks the store."""
    tracking = folder.tracking()
    if tracking is None or folder.result() is None or tracking.get("status") != "synced":
        return False
    if not may_exist(uri):
        return False
    return {"uri": redacted(uri), "result": folder.end_digest()}.items() <= tracking.items()


def mirror_cell(client: Client, folder: CellFolder, memory: Memory | None = None) -> bool:
    """Send what the store lacks of a cell; return whether it holds everything recorded.

    For an ended cell this is verified. A run with other points than the record, or with duplicates, is set aside
    (MLflow's "deleted") and created again. ``memory`` caches runs to avoid queries; the cell's entry is dropped after
    any exception. Raises ArtifactsLacking, and the exceptions of MLflow.
    """
    memory = {} if memory is None else memory
    identity, cell, result = folder.identity(), folder.cell(), folder.result()
    if folder.path.parts[-len(cell.folder.parts) :] != cell.folder.parts:
        raise CorruptRecord("cell.json belongs to another cell than its folder")  # its names are used for folders
    history = folder.history()  # read after the result, which is written last
    points = recorded_points(cell.config, history) if history is not None else {}
    if result is not None and result.status == "done":
        if history is None:
            raise CorruptRecord("history.npz is missing")
        points |= summary_points(cell.config, history, result) | measure_points(folder.measures())
    is_known = is_synced(folder, client.tracking_uri)
    try:
        run = memory.get(cell.key) or runs.open_run(client, folder, cell, identity, points)
        memory[cell.key] = run
        if result is None:
            runs.reopen(client, run, "RUNNING" if folder.state() == "running" else "KILLED")
            runs.send(client, run, points)
            return True
        runs.send(client, run, points)
        synced = runs.holds(client, run, points)
        if not synced:
            runs.set_aside(client, run.run_id)
            memory[cell.key] = run = runs.open_run(client, folder, cell, identity, points)
            runs.send(client, run, points)
            synced = runs.holds(client, run, points)
        lacking = list[str]()
        if synced:
            kept = artifacts.kept_at(client, run.artifact_uri)
            lacking = artifacts.send(client, run.run_id, kept, artifact_files(folder, identity), is_known=is_known)
            lacking += artifacts.send_images(client, run.run_id, kept, image_steps(folder, identity), run.start_ms)
        if synced and not lacking:
            runs.end(client, run, folder, result)
            memory.pop(cell.key)  # so that memory does not grow with the number of ended cells
    except BaseException:
        memory.pop(cell.key, None)
        raise
    folder.write_tracking(
        {
            "uri": redacted(client.tracking_uri),
            "run_id": run.run_id,
            "experiment_id": run.experiment_id,
            "points": sum(map(len, points.values())),
            "status": "synced" if synced and not lacking else "incomplete",
            "key": cell.key,
            "result": folder.end_digest(),
        }
    )
    if lacking:
        raise artifacts.ArtifactsLacking(f"the store does not hold {', '.join(lacking)} as it was sent")
    return synced


class Store:
    """A store that may be down, with cached knowledge about it."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._client: Client | None = None
        self._memory: Memory = {}

    def mirror(self, folder: CellFolder) -> str | None:
        """Mirror a cell; return None, or why this cell cannot be mirrored. Raises StoreError if no cell can be."""
        try:
            self._client = self._client or connect(self.uri)
        except Exception as error:
            raise StoreError.of(error, self.uri) from None
        try:
            synced = mirror_cell(self._client, folder, self._memory)
            return None if synced else "the store holds other points than the record"
        except Exception as error:
            cause = reason(error, self.uri)
        try:
            self._client.search_experiments(max_results=1)
        except Exception as error:
            self._client = None
            self._memory.clear()
            raise StoreError.of(error, self.uri) from None
        return cause
