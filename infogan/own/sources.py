"""References ``module:name`` and ``path/to/file.py:name``: their source files, their digest, and the object itself.

Finding and digesting only read files. :func:`load` imports the module. It is called only in a cell's own process or in
the check before training, and only with references from the user's file or command line, never from a record.
"""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infogan.data.base import one_line
from infogan.own import OwnError
from infogan.version import TRAINING_FILES, files_digest

LIBRARY = Path(__file__).parents[1]
PATTERN = re.compile(r"[^\s:]+:[A-Za-z_][A-Za-z0-9_]*")
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


def is_reference(text: str) -> bool:
    """Whether a text has the form of a reference."""
    return PATTERN.fullmatch(text) is not None


@dataclass(frozen=True)
class Reference:
    """A reference, and the folder that paths and modules are resolved from."""

    text: str
    folder: Path

    @property
    def name(self) -> str:
        return self.text.rpartition(":")[2]

    @property
    def place(self) -> tuple[Path, str]:
        """The folder to import from and the module's name. Raises OwnError if the file or module does not exist."""
        where = self.text.rpartition(":")[0]
        if where.endswith(".py"):
            file = (self.folder / where).absolute()
            if not file.is_file():
                raise OwnError(f"{self.text}: {file} does not exist")
            if not MODULE.fullmatch(file.stem):
                raise OwnError(f"{self.text}: {file.name} is not a valid module name: use letters, digits and _ only")
            return file.parent, file.stem
        if not MODULE.fullmatch(where):
            raise OwnError(f"{self.text}: write module:name or path/to/file.py:name")
        for root in (self.folder.absolute(), *(Path(entry).absolute() for entry in sys.path)):
            if _file(root, where) is not None:
                return root, where
        raise OwnError(f"{self.text}: no module {where} in {self.folder.absolute()}, and none is installed")

    @property
    def file(self) -> Path:
        """The module's file. Raises OwnError as ``place`` does."""
        root, module = self.place
        found = _file(root, module)
        assert found is not None  # place checks this
        return found

    @property
    def files(self) -> list[Path]:
        """The module's file and the files it imports, also inside functions, from its folder and from this library.

        Without the library's training files, which every cell's key covers anyway. Raises OwnError.
        """
        root, module = self.place
        installed = root / module.partition(".")[0] if "site-packages" in root.parts else None
        found: dict[Path, None] = {}
        todo = [(root, module)]
        while todo:
            at, name = todo.pop()
            for module, file in _with_packages(at, name):
                is_foreign = installed is not None and at == root and not file.is_relative_to(installed)
                if file in found or _is_in_every_key(file) or (is_foreign and file != self.file):
                    continue
                found[file] = None
                todo += [
                    (LIBRARY.parent if n.startswith("infogan") else root, n) for n in _imported(file, module, self)
                ]
        return sorted(found)

    @property
    def digest(self) -> str:
        """Digest of the sources' syntax: comments, docstrings and line breaks don't count. Raises OwnError."""
        files = self.files
        try:
            return files_digest(files)
        except (OSError, SyntaxError, ValueError, RecursionError) as error:
            raise OwnError(one_line(f"{self.text}: its source cannot be read: {error}")) from error


def load(reference: Reference) -> Any:
    """Import the module, which may run any code, and return the object. Raises OwnError if anything fails."""
    root, module_name = reference.place
    file = reference.file
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        importlib.invalidate_caches()
        module = importlib.import_module(module_name)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise OwnError(one_line(f"{reference.text}: {file} cannot be imported: {said}")) from error
    if Path(getattr(module, "__file__", None) or "").resolve() != file.resolve():
        raise OwnError(f"{reference.text}: another module is called {module_name}; rename {file.name}")
    if not hasattr(module, reference.name):
        raise OwnError(f"{reference.text}: {file} has no {reference.name}")
    return getattr(module, reference.name)


def _file(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _with_packages(root: Path, module: str) -> Iterator[tuple[str, Path]]:
    """Names and files of a module and of its parent packages, which are imported with it."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        name = ".".join(parts[:length])
        file = _file(root, name)
        if file is not None:
            yield name, file


def _imported(file: Path, module: str, reference: Reference) -> Iterator[str]:
    """Names of modules that a file imports; a name imported from a package may be a module too."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        raise OwnError(one_line(f"{reference.text}: {file} cannot be read: {error}")) from error
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (name for name in (base, *(f"{base}.{alias.name}" for alias in node.names)) if name.strip("."))


def _is_in_every_key(file: Path) -> bool:
    """Whether a file is one of the training files or the package's ``__init__``, which holds no training code."""
    if not file.is_relative_to(LIBRARY):
        return False
    name = file.relative_to(LIBRARY).with_suffix("").as_posix()
    return name in TRAINING_FILES or name == "__init__"
