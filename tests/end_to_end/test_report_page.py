"""A report in a real browser: at three widths of the window everything fits, and no text is squeezed."""

from pathlib import Path

import pytest

from bench.context import DEFAULT_SPEC
from bench.report import write_report
from bench.spec.tables import load_spec
from tests.end_to_end.browser import browser, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())
REFERENCES = Path(__file__).parents[2] / "results" / "reference"

SQUEEZED = """
const narrow = [...document.querySelectorAll('p, li, dd, figcaption, .badge')].filter(e => {
  const box = e.getBoundingClientRect();
  const wide = Math.min(document.documentElement.clientWidth - 60, 8 * parseFloat(getComputedStyle(e).fontSize));
  return box.height > 3 * parseFloat(getComputedStyle(e).fontSize) && box.width > 0 && box.width < wide;
});
const outside = [...document.querySelectorAll('main *')].filter(e => {
  if (e.closest('.scroll') || e.closest('svg') || !e.getBoundingClientRect().width) return false;
  return e.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
});
const open = [...document.querySelectorAll('details[open]')].length;
const picture = document.querySelector('main img').getBoundingClientRect();
const headings = [...document.querySelectorAll('h1, h2, h3, h4')].map(e => Number(e.tagName[1]));
return {
  narrow: narrow.map(e => e.textContent.slice(0, 60)), outside: outside.map(e => e.outerHTML.slice(0, 80)),
  scrolls: document.documentElement.scrollWidth > document.documentElement.clientWidth,
  open, top: picture.top, jumps: headings.filter((level, k) => k && level > headings[k - 1] + 1).length,
  unnamed: [...document.images].filter(e => !e.alt).length,
};
"""


def test_the_page_fits_its_window(tmp_path: Path) -> None:
    page = write_report(REFERENCES / "mnist-mi-paper", load_spec(DEFAULT_SPEC), tmp_path).html
    assert page.stat().st_size < 3_000_000
    with browser(page.as_uri()) as opened:
        for width in (1280, 800, 420):
            opened.driver.set_window_size(width, 1000)
            opened.open(page.as_uri())
            found = opened.run(SQUEEZED)
            assert found["narrow"] == found["outside"] == [], width
            assert not found["scrolls"], width
            assert (found["open"], found["jumps"], found["unnamed"]) == (0, 0, 0)
            assert found["top"] < 900 or width == 420
