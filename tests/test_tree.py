"""The tree stays lean and whole: sizes of what is committed, and links of documents to files that are there."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MB = 1_000_000
LINK = re.compile(r"\]\(([^()\s]+)\)")


@pytest.fixture(scope="module")
def tracked() -> dict[str, int]:
    """Sizes in bytes of the existing files that git tracks, by their paths."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name: (ROOT / name).stat().st_size for name in listed.split("\0") if name and (ROOT / name).is_file()}


def test_what_is_committed_is_small(tracked: dict[str, int]) -> None:
    largest = max(tracked, key=lambda name: tracked[name])
    assert tracked[largest] <= 2 * MB, largest
    assert sum(size for name, size in tracked.items() if name.startswith("results/")) <= 20 * MB
    assert sum(tracked.values()) <= 25 * MB


def test_no_page_is_committed(tracked: dict[str, int]) -> None:
    """A report's page repeats every figure, and `make report` can draw it at any time."""
    assert [name for name in tracked if name.startswith("results/") and name.endswith((".html", ".svg"))] == []


def without_code(document: Path) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", document.read_text(), flags=re.DOTALL)


def links(document: Path) -> Iterator[tuple[str, str]]:
    """(file, heading) of the links within the tree, without those in code; the file is empty within the document."""
    for target in LINK.findall(without_code(document)):
        if not re.match(r"[a-z]+:", target):
            file, _, heading = target.partition("#")
            yield file, heading


def headings(document: Path) -> set[str]:
    """Names that GitHub gives a document's headings."""
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    shown = [
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line) for line in re.findall(r"^#+ (.*)", text, flags=re.MULTILINE)
    ]
    return {re.sub(r"[^\w\- ]", "", line.lower()).strip().replace(" ", "-") for line in shown}


def test_links_and_pictures_of_documents_are_there(tracked: dict[str, int]) -> None:
    documents = [ROOT / name for name in tracked if name.endswith(".md")]
    found = [(document, file) for document in documents for file, _ in links(document) if file]
    assert len(found) > 100
    missing = [f"{d.relative_to(ROOT)}: {t}" for d, t in found if not (d.parent / t).exists()]
    assert missing == []
    held = {(ROOT / name).resolve() for name in tracked}
    held |= {parent for path in held for parent in path.parents}
    assert [f"{d.relative_to(ROOT)}: {t}" for d, t in found if (d.parent / t).resolve() not in held] == []


def test_files_that_the_map_of_the_code_names_are_there(tracked: dict[str, int]) -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    named = re.findall(r"`([\w/]+/[\w*]+\.[\w*]+)`", text)
    assert len(named) > 50
    assert [n for n in named if not any(Path(file).match(n) for file in tracked)] == []


def test_links_to_headings_name_headings_that_are_there(tracked: dict[str, int]) -> None:
    documents = [ROOT / name for name in tracked if name.endswith(".md")]
    found = [(d, file, heading) for d in documents for file, heading in links(d) if heading]
    assert len(found) > 50
    asked = [(d, d.parent / file if file else d, heading) for d, file, heading in found]
    missing = [(str(d.relative_to(ROOT)), h) for d, target, h in asked if h not in headings(target)]
    assert missing == []
