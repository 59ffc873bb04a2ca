"""The explorer in a real browser: a drag, the keys and the category change what is shown; nothing is loaded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.context import DEFAULT_SPEC
from bench.report import write_report
from bench.spec.tables import load_spec
from tests.bench.explored import planned, record
from tests.end_to_end.browser import Browser, browser, missing
from tests.infogan.painted import MANY

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

# For each view: the column of the category's bar; the brightness of the first image at its left, right and bottom; a
# checksum of all bytes; and the label.
SEEN = """
return [...document.querySelectorAll('.explorer canvas')].map(canvas => {
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const at = (x, y) => data[4 * (y * canvas.width + x)];
  const line = [...Array(28).keys()].map(x => at(x, 18));
  return {bar: line.indexOf(Math.max(...line)), left: at(2, 8), right: at(20, 8), below: at(2, 26),
          sum: data.reduce((sum, value, k) => (sum * 31 + value * (k % 7)) % 1e9, 0), label: canvas.ariaLabel};
});
"""
SAID = "return document.querySelector('.explorer [role=status]').textContent"
HOW = "return document.querySelector('.explorer .how').textContent"
OUTSIDE = """
return [...document.querySelectorAll('.explorer, .explorer *')].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width && box.right > document.documentElement.clientWidth + 1;
}).map(e => e.outerHTML.slice(0, 80));
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("explored")
    for cell in planned(("infogan", "gan"), (0, 1)):
        record(results, cell)
    record(results, planned(("infogan-fast-q",), (0,))[0], spec=MANY)
    return write_report(results, load_spec(DEFAULT_SPEC)).html


@pytest.fixture(scope="module")
def opened(page: Path) -> Iterator[Browser]:
    with browser(page.as_uri()) as driven:
        yield driven


def seen(opened: Browser) -> list[dict[str, Any]]:
    return opened.run(SEEN)


@pytest.fixture
def fresh(opened: Browser, page: Path) -> Browser:
    opened.errors()
    opened.open(page.as_uri())
    opened.until(lambda: all(view["label"] for view in seen(opened)) and seen(opened)[0]["left"] > 0)
    return opened


def test_a_drag_moves_codes_noise_and_the_plain_gan(fresh: Browser) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    before = seen(fresh)
    assert len(before) == 3
    assert "drag the point" in fresh.run(HOW)
    assert "dashed square" in fresh.run(HOW)
    pad = fresh.driver.find_element(By.CSS_SELECTOR, ".explorer .pad")
    fresh.run("arguments[0].scrollIntoView({block: 'center'})", pad)
    ActionChains(fresh.driver).move_to_element(pad).click_and_hold().move_by_offset(95, 40).release().perform()
    after = seen(fresh)
    codes, noise, plain = range(3)
    assert after[codes]["left"] > before[codes]["left"]  # c2 rose
    assert after[codes]["right"] < before[codes]["right"]  # c3 fell
    assert (after[noise]["left"], after[noise]["right"]) == (before[noise]["left"], before[noise]["right"])
    assert after[noise]["below"] > before[noise]["below"]  # the noise brightens the last rows
    assert after[plain]["sum"] != before[plain]["sum"]
    assert "c2 = 2, c3 = \u22120.67" in fresh.run(SAID)
    assert "c2 = 2" in after[codes]["label"]
    assert fresh.errors() == []


def test_arrow_keys_move_the_point_and_sliders_follow(fresh: Browser) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    before = seen(fresh)
    pad = fresh.driver.find_element(By.CSS_SELECTOR, ".explorer .pad")
    pad.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_UP)
    after = seen(fresh)
    assert after[0]["left"] > before[0]["left"]
    assert after[0]["right"] > before[0]["right"]
    assert "c2 = 1.33, c3 = 0.67" in fresh.run(SAID)
    assert pad.get_attribute("aria-valuetext") == "c1 = 0, matched to digit 3, c2 = 1.33, c3 = 0.67"
    assert fresh.run("return getComputedStyle(arguments[0]).outlineStyle", pad) == "solid"  # the focus is visible
    slider = fresh.driver.find_element(By.CSS_SELECTOR, ".explorer input[name=x]")
    assert slider.get_attribute("value") == "5"
    slider.send_keys(Keys.ARROW_LEFT)
    assert "c2 = 0.67, c3 = 0.67" in fresh.run(SAID)
    assert seen(fresh)[0]["left"] < after[0]["left"]


def test_the_category_and_the_seed_change_what_is_shown(fresh: Browser) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.select import Select

    bars = []
    for button in fresh.driver.find_elements(By.CSS_SELECTOR, ".explorer .categories span"):
        button.click()
        bars.append([view["bar"] for view in seen(fresh)])
    assert bars == [[2 + 2 * k] * 3 for k in range(10)]  # every view shows the bar of category k
    assert "c1 = 9, matched to digit 8" in fresh.run(SAID)
    fresh.driver.find_element(By.CSS_SELECTOR, ".explorer .categories input:checked").send_keys(Keys.ARROW_LEFT)
    assert seen(fresh)[0]["bar"] == 2 + 2 * 8
    select = Select(fresh.driver.find_element(By.CSS_SELECTOR, ".explorer select[name=cell]"))
    assert [option.text for option in select.options] == ["seed 0 (the median)", "seed 1 (the best)"]
    before = seen(fresh)
    select.select_by_index(1)
    fresh.until(lambda: seen(fresh)[1]["sum"] != before[1]["sum"] and "seed 1" in fresh.run(SAID))
    assert seen(fresh)[0]["bar"] == 2 + 2 * 8  # the category is kept
    assert fresh.errors() == []


def test_of_many_codes_one_is_chosen(fresh: Browser) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.select import Select

    def chosen(name: str, text: str) -> None:
        Select(fresh.driver.find_element(By.CSS_SELECTOR, f".explorer select[name={name}]")).select_by_visible_text(
            text
        )
        fresh.until(lambda: len(seen(fresh)) >= 2 and all(view["label"] and view["left"] for view in seen(fresh)[:2]))

    chosen("setting", "infogan-fast-q")
    assert seen(fresh)[0]["label"].startswith("3 images, c2 =")  # a continuous code comes first
    assert fresh.run(HOW).startswith("Move the slider.")  # the page mentions no plane or category that does not exist
    assert "dashed square" not in fresh.run(HOW)
    chosen("panel", "c1")
    assert [view["label"][:14] for view in seen(fresh)] == [
        "3 images, c1 =",
        "3 images, z5 =",
    ]  # no view of a plain GAN: none has these codes
    fresh.driver.find_elements(By.CSS_SELECTOR, ".explorer .categories span")[6].click()
    assert seen(fresh)[0]["bar"] == 2 + 2 * 6
    chosen("panel", "c2")
    assert fresh.driver.find_elements(By.CSS_SELECTOR, ".explorer .pad, .explorer .categories") == []
    before = seen(fresh)
    fresh.driver.find_element(By.CSS_SELECTOR, ".explorer input[name=x]").send_keys(Keys.ARROW_RIGHT)
    after = seen(fresh)
    assert after[0]["left"] > before[0]["left"]
    assert after[1]["below"] > before[1]["below"]
    chosen("panel", "c4")
    before = seen(fresh)
    fresh.driver.find_element(By.CSS_SELECTOR, ".explorer input[name=x]").send_keys(Keys.ARROW_LEFT)
    assert seen(fresh)[0]["sum"] == before[0]["sum"]
    assert fresh.errors() == []


def test_it_fits_prints_a_still_and_loads_nothing(fresh: Browser, page: Path) -> None:
    for width in (1280, 800, 420):
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        fresh.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        assert fresh.run(OUTSIDE) == [], width
    shown = (
        "return [...document.querySelectorAll('.explorer canvas, .explorer .stills img')].map(e => e.offsetWidth > 0)"
    )
    assert fresh.run(shown) == [False] * 3 + [True] * 3
    fresh.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert fresh.run(shown) == [True] * 3 + [False] * 3
    fresh.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    loaded = "return performance.getEntriesByType('resource').map(e => e.name)"
    assert [name for name in fresh.run(loaded) if not name.startswith("data:")] == []
    unnamed = "return [...document.querySelectorAll('.explorer :is(input, select, [role])')].filter(e => "
    unnamed += "!(e.ariaLabel || e.labels?.length || e.role === 'status')).length"
    assert fresh.run(unnamed) == 0
    assert page.read_text().count("<script>") == 1
    # the page's policy allows no script except its own
    fresh.run(
        "const own = document.createElement('script'); own.text = 'window.hacked = 1'; document.body.append(own);"
    )
    assert fresh.run("return window.hacked") is None
    assert any("Content Security Policy" in line for line in fresh.until(fresh.errors))


def test_without_scripts_a_still_is_shown(fresh: Browser, page: Path) -> None:
    fresh.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        fresh.open(page.as_uri())
        text = fresh.driver.find_element("css selector", ".explorer").text
        assert text.startswith("A few positions")
        assert len(fresh.driver.find_elements("css selector", ".explorer .stills img")) == 3
        assert fresh.driver.find_elements("css selector", ".explorer canvas") == []
    finally:
        fresh.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
