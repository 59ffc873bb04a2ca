"""Find a data set in the folder that the user gave, or raise an error that says what is there instead."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from infogan.data.base import DataError

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
MAX_ENTRIES = 2000  # entries to look at; a set has up to 200,000 files
MAX_SHOWN = 8

Look = Callable[[Path], Path | None]  # path of the set in or below a folder; None if it is not there


class NotInFolder(DataError):
    """The given folder does not contain the set. No substitute is used silently in this case."""

    def __init__(self, name: str, data_dir: Path, layout: str, hint: str) -> None:
        super().__init__(f"{name}: not in {data_dir}: looked for {layout}; found {listing(data_dir)}{hint}")
        self.name, self.data_dir, self.layout, self.hint = name, data_dir, layout, hint


def found_in(name: str, data_dir: Path, look: Look, layout: str) -> Path:
    """Path of the set in ``data_dir``. Raises NotInFolder."""
    found = look(data_dir)
    if found is None:
        raise NotInFolder(name, data_dir, layout, _hint(data_dir, look))
    return found


def listing(folder: Path) -> str:
    """The content of a folder in a few words; folders end with "/"."""
    names = sorted(f"{entry.name}/" if os.path.isdir(entry) else entry.name for entry in _entries(folder))
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(names[:MAX_SHOWN]) + more if names else "nothing"


def archives(*folders: Path) -> list[Path]:
    """Files in these folders that look like archives, which the user may have forgotten to unpack."""
    entries = itertools.chain.from_iterable(map(_entries, folders))
    return sorted(Path(entry.path) for entry in entries if entry.name.lower().endswith(ARCHIVES))


def not_unpacked(*folders: Path) -> str:
    """The part of an error message that names archives in these folders; empty if there are none."""
    names = ", ".join(path.name for path in archives(*folders)[:MAX_SHOWN])
    return f"; not unpacked: {names}" if names else ""


def _hint(data_dir: Path, look: Look) -> str:
    """Where the set was found nearby, or archives that may contain it; the end of an error message."""
    inner = [Path(entry.path) for entry in _entries(data_dir) if os.path.isdir(entry)]
    around = (*data_dir.absolute().parents[:2], *sorted(inner))
    near = next((folder for folder in around if _is_in(folder, look)), None)
    if near is not None:
        return f"; it is in {near}: give that folder"
    return not_unpacked(data_dir, *inner)


def _is_in(folder: Path, look: Look) -> bool:
    """Whether the set is in a folder; False for one that this account may not enter, such as lost+found."""
    try:
        return look(folder) is not None
    except OSError:
        return False


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Entries of a folder that are not hidden; none if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            yield from (e for e in itertools.islice(entries, MAX_ENTRIES) if not e.name.startswith("."))
    except OSError:
        return
