"""requirements.lock and how ``make setup`` installs it: pinned, hashed, complete, and refused where a file differs."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def locked(file: str = "requirements.lock") -> dict[str, tuple[Requirement, list[str]]]:
    """Requirement and sha256 sums of the lock's packages, by canonical name."""
    text = (ROOT / file).read_text()
    lines = [line for line in text.replace("\\\n", " ").splitlines() if not line.startswith("#")]
    found = [(Requirement(HASH.sub("", line).strip()), HASH.findall(line)) for line in lines]
    assert len({canonicalize_name(r.name) for r, _ in found}) == len(found)
    return {canonicalize_name(r.name): (r, hashes) for r, hashes in found}


def project_requirements() -> list[Requirement]:
    """Requirements of pyproject.toml, including every extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(text) for group in groups for text in group]


@pytest.mark.parametrize("file", ["requirements.lock", "tools.lock"])
def test_everything_is_pinned_and_hashed(file: str) -> None:
    for name, (requirement, hashes) in locked(file).items():
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", name
        assert "*" not in specifier.version, name
        assert hashes, name
        assert len(set(hashes)) == len(hashes), name


def test_make_installs_nothing_without_hashes() -> None:
    """Only a torch from another index goes into .venv or .tools without hashes, and then without its dependencies."""
    recipes = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    commands = [command.strip() for command in re.split(r"&&|;|\n", recipes)]
    installs = [command for command in commands if re.search(r"pip_install |/python -m pip .*install (?!.*@)", command)]
    assert len(installs) >= 4
    assert [
        command for command in installs if "--require-hashes" not in command and "LOCKED_TORCH" not in command
    ] == []
    assert {"uv", "pip-audit"} <= locked("tools.lock").keys()


def test_every_dependency_of_the_project_is_locked_within_its_range() -> None:
    found = locked()
    for wanted in project_requirements():
        requirement, _ = found[canonicalize_name(wanted.name)]
        (specifier,) = requirement.specifier
        assert wanted.specifier.contains(specifier.version), wanted
        assert requirement.marker is None, f"{wanted} would be left out on some machine"


def test_the_lock_is_complete_for_what_its_packages_ask_for_here() -> None:
    """With hashes pip installs nothing that is not in the file, so one missing dependency would break every set-up."""
    found, looked_at = locked(), 0
    for name, (requirement, _) in found.items():
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            asked_for = distribution(name).requires or []
        except PackageNotFoundError:  # another build of torch needs other libraries
            continue
        looked_at += 1
        for asked in map(Requirement, asked_for):
            if asked.marker is None or asked.marker.evaluate({"extra": ""}):
                assert canonicalize_name(asked.name) in found, f"{name} asks for {asked}"
    assert looked_at > 100


# ---------------------------------------------------------------- make
def wheel(folder: Path, name: str) -> Path:
    """Repack the installed distribution: something real to install without a network."""
    installed = distribution(name)
    assert installed.files
    file = folder / f"{name}-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for path in installed.files:
            if path.suffix != ".pyc" and path.parts[0] != "..":
                archive.write(path.locate(), path.as_posix())
    return file


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make in a separate folder, without network for pip, variables of an outer make or settings of the machine."""
    others = ("PIP_", "MAKE", "VIRTUAL_ENV", "PYTHON", "TORCH_INDEX")
    alone = {name: v for name, v in os.environ.items() if not name.startswith(others)}
    alone |= {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"} | environment
    for name in ("Makefile", "tools.lock"):
        shutil.copy(ROOT / name, folder)
    return subprocess.run(["make", *arguments], cwd=folder, env=alone, capture_output=True, text=True, timeout=280)


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one dependency, packaging, available as a wheel on disk."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = ["packaging"]\n[project.optional-dependencies]\ndev = []\n'
    )
    (tmp_path / "wheels").mkdir()
    wheel(tmp_path / "wheels", "packaging")
    return tmp_path


@pytest.mark.slow
@needs_make
def test_set_up_installs_the_locked_file_and_no_other(project: Path) -> None:
    (file,) = (project / "wheels").iterdir()
    pin, stamp = f"packaging=={distribution('packaging').version}", project / ".venv" / ".installed"
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(file.parent)}
    lock = project / "requirements.lock"

    lock.write_text(f"{pin} --hash=sha256:{'0' * 64}\n")
    refused = make(project, "setup", **offline)
    assert refused.returncode == 2
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert "setup: not everything could be installed" in refused.stderr
    assert not stamp.exists()

    lock.write_text(f"{pin}\n")
    assert "require" in make(project, "setup", **offline).stderr  # pip: "Hashes are required"
    assert not stamp.exists()

    lock.write_text(f"{pin} \\\n    --hash=sha256:{sha256(file)}\n")
    config = project / "pip.conf"
    config.write_text("[install]\nuser = true\n")
    elsewhere = {"PIP_USER": "1", "PIP_TARGET": str(project / "elsewhere"), "PIP_PREFIX": str(project / "elsewhere")}
    made = make(project, "setup", PIP_CONFIG_FILE=str(config), **offline, **elsewhere)
    assert made.returncode == 0, made.stderr  # whatever the user's own pip is set to, this one installs into .venv
    assert not (project / "elsewhere").exists()
    assert stamp.exists()
    again = make(project, "setup", PIP_NO_INDEX="1")
    assert (again.returncode, "Installing" in again.stdout) == (0, False)


@pytest.mark.slow
@needs_make
def test_torch_index_replaces_torch_and_its_libraries_only(project: Path) -> None:
    """PyPI's torch and CUDA, which are not available here, are not requested; everything else still needs hashes."""
    (file,) = (project / "wheels").iterdir()
    absent = f"--hash=sha256:{'0' * 64}\n"
    names = ("cuda-toolkit", "nvidia-nccl-cu13", "torch", "torchvision", "triton")
    lines = [f"{name}==9.9.9 {absent}" for name in names]
    lines.append(f"packaging=={distribution('packaging').version} --hash=sha256:{sha256(file)}\n")
    (project / "requirements.lock").write_text("".join(sorted(lines)))
    for name in ("torch", "torchvision"):
        built = project / "index" / name / f"{name}-9.9.9+cpu-py3-none-any.whl"
        built.parent.mkdir(parents=True)
        with zipfile.ZipFile(built, "w") as archive:
            info = f"{name}-9.9.9+cpu.dist-info"
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9.9+cpu\n")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        (built.parent / "index.html").write_text(f'<a href="{built.name.replace("+", "%2B")}">{built.name}</a>')
    offline = {"PIP_INDEX_URL": f"file://{project}/nothing", "PIP_FIND_LINKS": str(file.parent)}
    made = make(project, "setup", f"TORCH_INDEX=file://{project}/index", **offline)
    assert made.returncode == 0, made.stderr
    listed = subprocess.run(
        [project / ".venv" / "bin" / "python", "-m", "pip", "list", "--format=freeze"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "torch==9.9.9+cpu\n" in listed
    assert "torchvision==9.9.9+cpu\n" in listed
    assert "nvidia" not in listed


@pytest.mark.slow
@needs_make
@pytest.mark.parametrize("target", ["audit", "lock"])
def test_without_a_network_one_line_says_so(project: Path, target: str) -> None:
    """It does not say "no known vulnerabilities", and the lock is unchanged."""
    lock = project / "requirements.lock"
    lock.write_text("packaging==1.0\n")
    ended = make(project, target, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_NO_CACHE_DIR="1")
    assert ended.returncode == 2  # make's own for the recipe's 3
    said = [line for line in ended.stderr.splitlines() if not line.startswith("make")]
    assert said[0].startswith(f"{target}: could not be done: ")
    assert len(said) == 1
    assert ended.stdout == ""
    assert lock.read_text() == "packaging==1.0\n"


# ---------------------------------------------------------------- PYTHON=
@needs_make
def test_another_environment_may_lack_what_is_optional_and_not_what_is_needed(tmp_path: Path) -> None:
    """Runs do not need MLflow and mlxtend, which `make setup` installs: they are an extra, though the lock has them."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.metadata as m\n"
        "known = m.version\n"
        "def version(name):\n"
        "    if name in ('mlflow', 'mlxtend'): raise m.PackageNotFoundError(name)\n"
        "    return {'torch': '2.11.0+cu130', 'torchvision': '0.26.0'}.get(name) or known(name)\n"
        "m.version = version\n"
    )
    other = {"PYTHONPATH": str(tmp_path)}
    for_runs = make(tmp_path, "check-environment", f"PYTHON={sys.executable}", **other)
    assert (for_runs.returncode, for_runs.stderr) == (0, "")
    for_tests = make(tmp_path, "check-environment-dev", f"PYTHON={sys.executable}", **other)
    assert for_tests.returncode == 2
    assert "lacks mlflow<3.18,>=3.17, mlxtend; to install" in for_tests.stderr
    assert "without a network carry wheels: docs/GPU.md" in for_tests.stderr
    older = (tmp_path / "sitecustomize.py").read_text().replace("2.11.0+cu130", "2.10.0")
    (tmp_path / "sitecustomize.py").write_text(older)
    refused = make(tmp_path, "check-environment", f"PYTHON={sys.executable}", **other)
    assert "lacks torch<2.15,>=2.11 (has 2.10.0)" in refused.stderr


@needs_make
def test_a_run_without_tracking_has_its_flag() -> None:
    shown = subprocess.run(
        ["make", "-n", "reproduce-mnist", "PYTHON=python3", "NO_TRACKING=1"], cwd=ROOT, capture_output=True, text=True
    )
    assert "-m bench run mnist-mi mnist --no-tracking )" in shown.stdout
