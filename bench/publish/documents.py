"""The places that this package writes to, and blocks of documents, between markers that a reader does not see."""

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.environment import ROOT

README, REFERENCES = ROOT / "README.md", ROOT / "results" / "reference"
DOCUMENTS = (README, *sorted((ROOT / "docs").rglob("*.md")))


def parser_of(name: str, doc: str | None) -> argparse.ArgumentParser:
    """The command line of a module of this package, described by its docstring's first line."""
    return argparse.ArgumentParser(prog=f"python -m bench.publish.{name}", description=(doc or "").partition("\n")[0])


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as Markdown."""
    lines = ["|" + "".join(f" {cell} |" if cell else " |" for cell in row) for row in [columns, *rows]]
    return "\n".join([lines[0], "|---" * len(columns) + "|", *lines[1:]])


def with_block(text: str, name: str, block: str) -> str:
    """``text`` with the block between its markers replaced. Raises ValueError where the markers are not there."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"no markers of {name} in the text")
    return pattern.sub(lambda _: f"{begin}{block}\n{end}", text)


def document_of(name: str) -> Path:
    """The document that shows a block. Raises ValueError where none has its markers."""
    for document in DOCUMENTS:
        if f"<!-- {name} -->" in document.read_text():
            return document
    raise ValueError(f"no document has the markers of {name}: put <!-- {name} --> and <!-- /{name} --> into one")
