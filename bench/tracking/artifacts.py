"""Artifacts of a cell in the store: send those that are missing, then read them back and compare."""

import hashlib
import io
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bench.tracking.connection import Client

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository


_IMAGE = re.compile(
    r"(?P<key>.+)[+%]step[+%](?P<step>\d+)[+%]timestamp[+%]\d+[+%][0-9a-f-]+(?P<small>[+%]compressed)?\.\w+"
)


class ArtifactsLacking(Exception):
    """The store accepted a cell's files but does not return them unchanged."""


def kept_at(client: Client, artifact_uri: str) -> "ArtifactRepository":
    """The artifact repository of a run.

    Given only a run id, MLflow would fetch the run and search for models at each call.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri

    uri = add_databricks_profile_info_to_artifact_uri(artifact_uri, client.tracking_uri)
    return get_artifact_repository(uri, tracking_uri=client.tracking_uri)


def send(
    client: Client, run_id: str, kept: "ArtifactRepository", artifacts: Iterable[tuple[str, bytes]], *, is_known: bool
) -> list[str]:
    """Send the artifacts; return the paths that the store does not hold afterwards.

    If the cell's end ``is_known`` to be in the store, only missing files and those of another size are sent. Afterwards
    all must be listed with their size, and those sent now must have the same bytes.

    Equal size does not imply equal content: labels change if a cell is measured after it was mirrored.
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
    client: Client, run_id: str, kept: "ArtifactRepository", images: Iterable[tuple[str, int, bytes]], start_ms: int
) -> list[str]:
    """Log the missing (key, step, PNG) images; return descriptions of those that the store does not hold afterwards.

    MLflow generates new file names at each call, so an image is matched by key and step; it counts only with both
    files.
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
    """Key and step of each image whose full and small files are both in the store."""
    files: dict[tuple[str, int], set[bool]] = {}
    for artifact in kept.list_artifacts("images"):
        match = _IMAGE.fullmatch(PurePosixPath(artifact.path).name)
        if match:
            key = match["key"].replace("~", "/"), int(match["step"])
            files.setdefault(key, set()).add(match["small"] is not None)
    return {key for key, kinds in files.items() if len(kinds) == 2}


def _parent(path: str) -> str:
    """Folder of an artifact; empty for the run's root."""
    parent = PurePosixPath(path).parent
    return "" if parent == PurePosixPath() else str(parent)


def _held(kept: "ArtifactRepository", folders: Iterable[str]) -> dict[str, int | None]:
    """Sizes in bytes by path."""
    return {a.path: a.file_size for folder in folders for a in kept.list_artifacts(folder or None)}


def _digest(kept: "ArtifactRepository", path: str) -> bytes:
    """sha256 of a file as the store returns it."""
    with tempfile.TemporaryDirectory() as folder:
        return hashlib.sha256(Path(kept.download_artifacts(path, folder)).read_bytes()).digest()
