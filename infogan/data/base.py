"""The types that every data set returns, the cache folder, and digests that spare a second reading of the data."""

import codecs
import contextlib
import hashlib
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

MAX_TEXT_BYTES = 256 << 20  # of a text table beside images; CelebA's largest has 27 million

_SEAL = b"infogan-cached-1"  # trailer of every cache file, followed by a sha256
_SEAL_BYTES = len(_SEAL) + hashlib.sha256().digest_size

Progress = Callable[[int, int], None]  # images done, images in total


def one_line(text: str) -> str:
    """Escape what would break the line or control the terminal, for example in file names."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def name_bytes(text: str) -> bytes:
    """UTF-8 for a digest. A file name that is not UTF-8 gives the bytes that it has on disk."""
    return text.encode("utf-8", "surrogateescape")


class DataError(Exception):
    """A data set is missing, corrupt or not what was asked for. The message is one line for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


@dataclass(frozen=True)
class DataInfo:
    """Description of the data that a run uses."""

    name: str
    source: str  # one of the data set's SOURCES
    note: str  # one sentence for the console, MLflow and the report
    digest: str  # sha256 of the arrays' bytes; for a rendered set, of its recipe
    num_train: int
    num_test: int
    is_papers: bool  # True for the paper's own data set in full, False for any other
    num_classes: int = 0  # for the user's own images; 0: no labels


@dataclass(frozen=True)
class Part:
    """Images (N, C, H, W) uint8 with labels (N,) int64, factors (N, F) float32, or neither."""

    images: np.ndarray
    labels: np.ndarray | None = None
    factors: np.ndarray | None = None


class Controlled(Protocol):
    """Rendered images with one factor controlled and all others random."""

    def fixed(self, factor: str) -> np.ndarray:
        """Images (groups, images, C, H, W) uint8; the factor has the same value within a group."""

    def swept(self, factor: str, num_columns: int) -> np.ndarray:
        """Images (rows, columns, C, H, W) uint8; each row sweeps the factor over its range."""


@dataclass(frozen=True)
class Dataset:
    """Training and held-out images. ``factor_names`` name the columns of both parts' factors."""

    info: DataInfo
    train: Part
    test: Part
    factor_names: tuple[str, ...] = ()
    controlled: Controlled | None = None  # for rendered sets only


def make_dataset(
    name: str, source: str, note: str, is_papers: bool, train: Part, test: Part, factor_names: tuple[str, ...] = ()
) -> Dataset:
    """Build a Dataset and its digest over all arrays of both parts.

    Raises DataError if all training images are the same.
    """
    if len(train.images) > 1 and all(np.array_equal(train.images[0], image) for image in train.images):
        raise DataError(f"{name}: all {len(train.images):,} training images are the same: there is nothing to learn")
    parts = (train.images, train.labels, test.images, test.labels, train.factors, test.factors)
    digest = array_digest(*(array for array in parts if array is not None))
    info = DataInfo(name, source, note, digest, len(train.images), len(test.images), is_papers)
    return Dataset(info, train, test, factor_names)


_FACTOR_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,59}")  # what MLflow and file names accept


def check_factor_names(names: Iterable[str], where: str) -> None:
    """Raise DataError for a name that cannot be a metric's or a file's, or that two factors have.

    ``where`` begins the message.
    """
    known: set[str] = set()
    for name in names:
        if name in known:
            raise DataError(f"{where}: two factors are called {name!r}")
        known.add(name)
        if not _FACTOR_NAME.fullmatch(name):
            allowed = "letters, digits, spaces and _.- up to 60 characters"
            raise DataError(f"{where}: {name[:60]!r} is not a valid name of a factor, expected {allowed}")


def decoded(raw: bytes) -> str:
    """Decode UTF-8, with or without a byte order mark. Raises ValueError."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError("it is UTF-16; save it as UTF-8")
    return raw.decode("utf-8-sig")


def read_text_bounded(file: Path, where: str) -> str:
    """Read a text file of the user, of at most MAX_TEXT_BYTES. Raises DataError; ``where`` begins the message."""
    try:
        if file.exists() and not file.is_file():  # reading a pipe would block
            raise DataError(f"{where}: {file} is not a file")
        if file.stat().st_size > MAX_TEXT_BYTES:
            raise DataError(f"{where}: {file} has more than {MAX_TEXT_BYTES:,} bytes")
        return decoded(file.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{where}: cannot read {file}: {error}") from error


def array_digest(*arrays: np.ndarray) -> str:
    """sha256 over the arrays' shapes, types and bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def home_dir() -> Path:
    """The user's home folder, or a private temporary folder if there is none, as in some containers.

    Raises DataError if the temporary folder belongs to somebody else.
    """
    try:
        return Path.home()
    except RuntimeError:
        folder = Path(tempfile.gettempdir()) / f"infogan-home-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise DataError(f"no home folder, and none can be created: {error}; set HOME") from error
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o022:
        raise DataError(
            f"no home folder, and {folder}, the fallback, belongs to another user or is writable by others: set HOME"
        )
    return folder


def cache_dir() -> Path:
    """The cache folder: ``INFOGAN_CACHE`` if set, else ``infogan`` in the user's cache folder."""
    explicit, base = os.environ.get("INFOGAN_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if explicit:
        try:
            return Path(explicit).expanduser()
        except RuntimeError as error:
            raise DataError(f"INFOGAN_CACHE={explicit}: {error}") from error
    return (Path(base) if base else home_dir() / ".cache") / "infogan"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that atomically replaces ``path`` when the block ends.

    Its permissions follow the umask, so that a group can share a cache. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_cached(path: Path, content: bytes) -> bool:
    """Write a cache file atomically, with a checksum at its end that also covers its name and its folder's name.

    Returns False if the cache cannot be written, which is never an error.
    """
    try:
        with replacing(path) as file:
            file.write(content)
            file.write(_seal(path, content))
    except OSError:
        return False
    return True


def read_cached(path: Path) -> bytes | None:
    """Content written by :func:`write_cached`; None if the file is missing, damaged or was moved from another name."""
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    content, seal = raw[:-_SEAL_BYTES], raw[-_SEAL_BYTES:]
    return content if seal == _seal(path, content) else None


def _seal(path: Path, content: bytes) -> bytes:
    digest = hashlib.sha256(name_bytes(f"{path.parent.name}/{path.name}\n"))
    digest.update(content)
    return _SEAL + digest.digest()


def _sidecar(key: str) -> Path:
    return cache_dir() / "digests" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def files_key(name: str, files: list[Path]) -> str:
    """A key that changes when a file's path, size or modification time does."""
    stats = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    return json.dumps([name, stats])


def remember(key: str, info: DataInfo) -> None:
    """Store ``info`` in the cache, never in the data folder."""
    write_cached(_sidecar(key), json.dumps(asdict(info)).encode())


def recall(key: str) -> DataInfo | None:
    """The remembered info; None if there is none or it is damaged."""
    content = read_cached(_sidecar(key))
    try:
        return None if content is None else DataInfo(**json.loads(content))
    except (ValueError, TypeError, RecursionError):  # written by another version, or damaged
        return None
