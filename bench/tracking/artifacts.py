"""A cell's files and images in the store: sent where they are lacking, then asked for again and compared."""

import hashlib
import io
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.artifact.artifact_repo import ArtifactRepository


_IMAGE = re.compile(
    r"(?P<key>.+)[+%]step[+%](?P<step>\d+)[+%]timestamp[+%]\d+[+%][0-9a-f-]+(?P<small>[+%]compressed)?\.\w+"
)


class ArtifactsLacking(Exception):
    """The store took a cell's files and does not give them back as they were."""


def kept_at(client: "MlflowClient", artifact_uri: str) -> "ArtifactRepository":
    """Where a run keeps its files. Asked by the run's id, MLflow reads the run and searches for models at each call."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri

    uri = add_databricks_profile_info_to_artifact_uri(artifact_uri, client.tracking_uri)
    return get_artifact_repository(uri, tracking_uri=client.tracking_uri)


def send(
    client: "MlflowClient",
    run_id: str,
    kept: "ArtifactRepository",
    artifacts: Iterable[tuple[str, bytes]],
    *,
    is_known: bool,
) -> list[str]:
    """Send all; of an end of the cell that ``is_known`` to have been verified there, those that the store lacks or
    holds at another size. Gives the paths of those that it does not hold afterwards: in its list, at their size, and of
    what was sent now also with the same bytes.

    The same size is not the same file: a cell may have been mirrored before it was measured, which changes labels.
    """
    held = _held(kept, ("", "traversals")) if is_known else {}
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
    held = _held(kept, set(map(_parent, sizes)))
    lacking = [path for path, size in sizes.items() if held.get(path) != size]
    return lacking + [path for path in sent.keys() - lacking if _digest(kept, path) != sent[path]]


def send_images(
    client: "MlflowClient",
    run_id: str,
    kept: "ArtifactRepository",
    images: Iterable[tuple[str, int, bytes]],
    start_ms: int,
) -> list[str]:
    """Log those (key, step, PNG) that the run lacks; gives those that it does not hold afterwards, in words.

    The names of their files are MLflow's and new at each call: a key and step is held where both of its files are.
    """
    from PIL import Image

    held, wanted = _held_images(kept), []
    for key, step, png in images:
        wanted.append((key, step))
        if (key, step) not in held:
            with Image.open(io.BytesIO(png)) as image:
                client.log_image(run_id, image, key=key, step=step, timestamp=start_ms + step, synchronous=True)
    held = _held_images(kept) if wanted else held
    return [f"image {key} at {step}" for key, step in wanted if (key, step) not in held]


def _held_images(kept: "ArtifactRepository") -> set[tuple[str, int]]:
    """Key and step of each image of which the store holds the file and the small copy."""
    files: dict[tuple[str, int], set[bool]] = {}
    for artifact in kept.list_artifacts("images"):
        match = _IMAGE.fullmatch(PurePosixPath(artifact.path).name)
        if match:
            files.setdefault((match["key"].replace("~", "/"), int(match["step"])), set()).add(
                match["small"] is not None
            )
    return {key for key, kinds in files.items() if len(kinds) == 2}


def _parent(path: str) -> str:
    """The folder of an artifact; empty for the run's own."""
    parent = PurePosixPath(path).parent
    return "" if parent == PurePosixPath() else str(parent)


def _held(kept: "ArtifactRepository", folders: Iterable[str]) -> dict[str, int | None]:
    """Sizes in bytes by path."""
    return {a.path: a.file_size for folder in folders for a in kept.list_artifacts(folder or None)}


def _digest(kept: "ArtifactRepository", path: str) -> bytes:
    """Sum of what the store gives back."""
    with tempfile.TemporaryDirectory() as folder:
        return hashlib.sha256(Path(kept.download_artifacts(path, folder)).read_bytes()).digest()
