"""A set looked for in the folder that the user has given: found there, or an error that says what is there instead."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from infogan.data.base import DataError

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
MAX_ENTRIES = 2000  # looked at: a set has up to 200,000 files
MAX_SHOWN = 8

Look = Callable[[Path], Path | None]  # where below a folder the set lies; None where it does not


class NotInFolder(DataError):
    """The folder that was given does not hold the set, so nothing stands in for it unasked."""

    def __init__(self, name: str, data_dir: Path, layout: str, hint: str) -> None:
        super().__init__(f"{name}: not in {data_dir}: looked for {layout}; found {listing(data_dir)}{hint}")
        self.name, self.data_dir, self.layout, self.hint = name, data_dir, layout, hint


def found_in(name: str, data_dir: Path, look: Look, layout: str) -> Path:
    """Where in ``data_dir`` the set lies. Raises NotInFolder."""
    found = look(data_dir)
    if found is None:
        raise NotInFolder(name, data_dir, layout, _hint(data_dir, look))
    return found


def listing(folder: Path) -> str:
    """What a folder holds, in a few words; folders end with "/"."""
    names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in _entries(folder))
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(names[:MAX_SHOWN]) + more if names else "nothing"


def archives(*folders: Path) -> list[Path]:
    """Files in these folders that look like archives: what the user may have forgotten to unpack."""
    entries = itertools.chain.from_iterable(map(_entries, folders))
    return sorted(Path(entry.path) for entry in entries if entry.name.lower().endswith(ARCHIVES))


def not_unpacked(*folders: Path) -> str:
    """The end of a message, empty where no archive lies in these folders."""
    names = ", ".join(path.name for path in archives(*folders)[:MAX_SHOWN])
    return f"; not unpacked: {names}" if names else ""


def _hint(data_dir: Path, look: Look) -> str:
    """Where the set lies if it is near, and archives that may hold it."""
    inner = [Path(entry.path) for entry in _entries(data_dir) if entry.is_dir()]
    near = next((folder for folder in (*data_dir.absolute().parents[:2], *sorted(inner)) if look(folder)), None)
    if near is not None:
        return f"; it is in {near}: give that folder"
    return not_unpacked(data_dir, *inner)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Without hidden ones; none of a folder that cannot be read."""
    try:
        with os.scandir(folder) as entries:
            yield from (e for e in itertools.islice(entries, MAX_ENTRIES) if not e.name.startswith("."))
    except OSError:
        return
