"""The code's structure: one direction of imports, few files that use MLflow, one package that draws, quick start-up."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.spec.cells import EVALUATION_FILES
from infogan.version import TRAINING_FILES

ROOT = Path(__file__).parents[1]
FILES = [*sorted((ROOT / "infogan").rglob("*.py")), *sorted((ROOT / "bench").rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_modules(file: Path) -> set[str]:
    """Modules of the library that a file imports, as paths below infogan/ without their suffix."""
    found = set()
    for module in imported(file):
        path = module.replace(".", "/").removeprefix("infogan/")
        if module.startswith("infogan.") and (ROOT / "infogan" / f"{path}.py").exists():
            found.add(path)
        elif module.startswith("infogan.") and (ROOT / "infogan" / path / "__init__.py").exists():
            found.add(f"{path}/__init__")
    return found


def users(package: str, folder: str) -> set[str]:
    files = [f for f in FILES if f.is_relative_to(ROOT / folder)]
    return {f.relative_to(ROOT).as_posix() for f in files if any(m.split(".")[0] == package for m in imported(f))}


def test_the_library_does_not_know_the_harness() -> None:
    for package in ("bench", "mlflow", "pydantic", "pandas", "matplotlib", "typer", "rich"):
        assert users(package, "infogan") == set(), package


def test_one_package_talks_to_mlflow_one_file_serves_it_and_one_package_draws() -> None:
    names = ("tracking/artifacts", "tracking/connection", "tracking/runs", "serve/app")
    assert users("mlflow", "bench") == {f"bench/{name}.py" for name in names}
    drawing = users("matplotlib", "bench")
    assert drawing
    assert all(f.startswith("bench/report/figures/") for f in drawing)


# from the bottom up: a package of the harness imports from those in earlier rows, never from its own row or a later one
LAYERS = (
    ("console", "environment"),
    ("spec",),
    ("records",),
    ("analysis", "paths"),
    ("tracking",),
    ("run", "claims", "gate"),
    ("report", "placement"),
    ("context",),
    ("models",),
    ("throughput", "serve"),
    ("gpu",),
    ("options",),
    ("commands",),
    ("publish", "cli"),
    ("__main__",),
)


def test_the_harness_is_built_in_layers() -> None:
    level = {name: number for number, row in enumerate(LAYERS) for name in row}
    wrong = []
    for file in (f for f in FILES if f.is_relative_to(ROOT / "bench")):
        own = file.relative_to(ROOT / "bench").parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        used = {module.split(".")[1] for module in imported(file) if module.startswith("bench.")}
        wrong += [f"{file.relative_to(ROOT)}: {name}" for name in used - {own} if level[name] >= level[own]]
    assert wrong == []


def test_no_imports_go_in_a_circle() -> None:
    """Imports inside functions count too: code that cannot be imported at the top is in the wrong place."""
    modules = {".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in FILES}
    graph = {  # a module's own package is imported before it, whatever its __init__ exports
        name: {m for m in imported(file) if m in modules and not f"{name}.".startswith(f"{m}.")}
        for name, file in modules.items()
    }
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()  # raises CycleError, which names the circle


def test_statistics_and_tables_import_no_torch() -> None:
    torch_users = users("torch", "bench")
    packages = ("spec", "records", "analysis", "claims", "gate", "tracking", "commands")
    light = (*packages, "cli", "context", "placement", "console")
    assert {f for f in torch_users if f.removeprefix("bench/").partition("/")[0].removesuffix(".py") in light} == set()


@pytest.mark.parametrize("file", [*FILES, *TESTS], ids=lambda f: f.relative_to(ROOT).as_posix())
def test_files_are_short_enough_to_read(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 400


def test_a_cells_key_covers_all_code_that_training_imports() -> None:
    """Any change of that code must give new cells; otherwise old results would be taken for those of the new code."""
    library, found, todo = ROOT / "infogan", set(), ["training"]
    while todo:
        name = todo.pop()
        found.add(name)
        used = own_modules(library / f"{name}.py")
        todo += [module for module in used if module not in found]
    assert found == set(TRAINING_FILES)


def test_the_key_of_what_a_record_holds_beyond_training_covers_what_that_imports() -> None:
    """Measures that are requested later are not part of it, since they have their own keys."""
    allowed = {f"measures/{name}" for name in (*EVALUATION_FILES, "__init__", "digits/__init__")}
    for name in EVALUATION_FILES:
        used = own_modules(ROOT / "infogan" / "measures" / f"{name}.py")
        assert {module for module in used if module.startswith("measures/")} <= allowed, name


@pytest.mark.parametrize("file", TESTS, ids=lambda f: f.relative_to(ROOT).as_posix())
def test_tests_are_collected_without_what_few_of_them_need(file: Path) -> None:
    """For example ``pytest -m gpu`` on a machine without browser, cluster or store, which its tests do not need."""
    top = ast.parse(file.read_text()).body
    modules = [name.name for node in top if isinstance(node, ast.Import) for name in node.names]
    modules += [node.module or "" for node in top if isinstance(node, ast.ImportFrom)]
    assert {m.partition(".")[0] for m in modules} & {"selenium", "ray", "mlflow", "psycopg2"} == set()


def test_no_two_test_modules_share_a_name() -> None:
    """Outside of packages, pytest imports a file by its name only."""
    loose = [f.name for f in TESTS if f.name != "conftest.py" and not f.with_name("__init__.py").exists()]
    assert sorted(set(loose)) == sorted(loose)


@pytest.mark.parametrize("module", ["bench.cli", "bench.report", "bench.tracking.store", "infogan.data"])
def test_light_modules_import_nothing_heavy(module: str) -> None:
    heavy = ("torch", "mlflow", "ray", "matplotlib", "pandas", "sklearn")
    program = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_a_worker_imports_what_only_measures_need_where_it_measures() -> None:
    """Otherwise it would cost two of five seconds of processor time before the first cell."""
    program = "import sys, bench.run.train_cell; print([m for m in ('sklearn', 'scipy', 'pandas') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
