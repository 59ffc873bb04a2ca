"""``python -m infogan.measures.page`` writes the catalogue's tables into docs/MEASURES.md."""

import sys
from pathlib import Path

from infogan.measures.catalogue import FACTORS, FAMILIES

BEGIN, END = "<!-- tables of the catalogue: begin -->", "<!-- tables of the catalogue: end -->"
PAGE = Path(__file__).parents[2] / "docs" / "MEASURES.md"


def tables() -> str:
    """One table per family with quantities; those of a known factor appear once, as ``FACTOR_name``."""
    parts = []
    for family, numbers in FAMILIES.items():
        rows: dict[str, str] = {}
        for name, quantity in numbers.items():
            factor = next((f for f in FACTORS if name.startswith(f"{f}_")), None) if family == "factors" else None
            shown, words = name, quantity.words
            if factor:
                shown = f"FACTOR_{name.removeprefix(f'{factor}_')}"
                words = words.removeprefix(f"{factor.replace('_', ' ')}: ")
            rows[shown] = f"| `{shown}` | {words} | {quantity.unit} |"
        if rows:
            parts.append(
                "\n".join([f"### `{family}`", "", "| name | what it is | unit |", "|---|---|---|", *rows.values()])
            )
    return "\n\n".join(parts)


def filled(page: str) -> str:
    """The page with its tables replaced."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
    print(PAGE, file=sys.stderr)
