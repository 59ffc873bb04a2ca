"""Digests of the code and versions of the libraries that a result depends on, without importing them."""

import ast
import hashlib
import importlib.metadata
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

TRAINING_FILES = (
    "architectures",
    "batch_norm",
    "blocks",
    "capture",
    "codes",
    "cores",
    "giving_up",
    "networks",
    "objectives",
    "products",
    "runtime",
    "step",
    "streams",
    "strided",
    "training",
    "winograd",
)  # the files that decide a result's bits
LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "mlxtend")


def _without_docstrings(tree: ast.AST) -> ast.AST:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        is_documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if is_documented and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return tree


def _dump(tree: ast.AST) -> str:
    """Dump a tree as Python 3.11 does: later versions add ``type_params`` and omit empty fields."""
    for node in ast.walk(tree):
        if hasattr(node, "type_params") and not node.type_params:
            del node.type_params
    if sys.version_info >= (3, 13):
        return ast.dump(tree, show_empty=True)
    return ast.dump(tree)


@cache
def code_digest(names: tuple[str, ...] = TRAINING_FILES) -> str:
    """Digest of files or folders of this package, by name without ``.py``."""
    folder = Path(__file__).parent
    files: list[Path] = []
    for name in names:
        path = folder / name
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    return files_digest(file for file in files if file.exists())


def files_digest(files: Iterable[Path]) -> str:
    """Digest of the files' syntax trees, in order, without comments and docstrings. Raises SyntaxError."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(_dump(_without_docstrings(ast.parse(file.read_text()))).encode())
    return digest.hexdigest()[:16]


def library_versions(names: tuple[str, ...] = LIBRARIES) -> dict[str, str]:
    """Installed version of each library, "absent" if it is not installed; a local label such as +cpu is kept."""
    return {name: _installed(name) for name in names}


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
