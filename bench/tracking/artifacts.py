"""A cell's files in the store: sent where they are lacking, then asked for again and compared."""

import hashlib
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient


class ArtifactsLacking(Exception):
    """The store took a cell's files and does not give them back as they were."""


def send(client: "MlflowClient", run_id: str, artifacts: Iterable[tuple[str, bytes]], *, is_known: bool) -> list[str]:
    """Send all; of an end of the cell that ``is_known`` to have been verified there, those that the store lacks or
    holds at another size. Gives the paths of those that it does not hold afterwards: in its list, at their size, and of
    what was sent now also with the same bytes.

    The same size is not the same file: a cell may have been mirrored before it was measured, which changes labels.
    """
    held = _held(client, run_id, ("", "traversals")) if is_known else {}
    sizes: dict[str, int] = {}
    sent: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for path, content in artifacts:
            sizes[path] = len(content)
            if held.get(path) != len(content):
                file = Path(folder, PurePosixPath(path).name)
                file.write_bytes(content)
                client.log_artifact(run_id, str(file), _parent(path) or None)
                file.unlink()
                sent[path] = hashlib.sha256(content).digest()
    held = _held(client, run_id, set(map(_parent, sizes)))
    lacking = [path for path, size in sizes.items() if held.get(path) != size]
    return lacking + [path for path in sent.keys() - lacking if _digest(client, run_id, path) != sent[path]]


def _parent(path: str) -> str:
    """The folder of an artifact; empty for the run's own."""
    parent = PurePosixPath(path).parent
    return "" if parent == PurePosixPath() else str(parent)


def _held(client: "MlflowClient", run_id: str, folders: Iterable[str]) -> dict[str, int | None]:
    """Sizes in bytes by path."""
    return {a.path: a.file_size for folder in folders for a in client.list_artifacts(run_id, folder or None)}


def _digest(client: "MlflowClient", run_id: str, path: str) -> bytes:
    """Sum of what the store gives back."""
    with tempfile.TemporaryDirectory() as folder:
        return hashlib.sha256(Path(client.download_artifacts(run_id, path, folder)).read_bytes()).digest()
