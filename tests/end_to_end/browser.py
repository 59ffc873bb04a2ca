"""Opens the pages of the ``ui`` command in a headless Chromium, for tests and for the pictures of the docs.

python -m tests.end_to_end.browser RESULTS [FOLDER]    mlflow-seeds.png, mlflow-arms.png into docs/images or FOLDER
"""

import contextlib
import importlib.util
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin

if TYPE_CHECKING:
    from selenium import webdriver

ROOT = Path(__file__).parents[2]
PROGRAMS = ("chromium", "chromedriver")
WINDOW = (1600, 1000)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PAGE_LIMIT_S = 60.0
# Harmless errors: MLflow requests user accounts and other things that we do not serve; its layout observer complains.
NOISE = ("/mlflow/users/current", "favicon.ico", "ResizeObserver loop")
NOISE += ("/mlflow/assistant/", "/mlflow/gateway-proxy", "/mlflow/ui-telemetry")
# Otherwise the assistant's panel opens at the first visit and covers the charts.
VISITED = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
CHART = """
const leaves = [...document.querySelectorAll('*')].filter(e => !e.children.length);
let card = leaves.find(e => e.textContent.trim() === arguments[0]);
while (card && !card.querySelector('.js-plotly-plot')) card = card.parentElement;
if (!card || card.querySelectorAll('.js-plotly-plot').length !== 1) return null;
const box = e => { const r = e.getBoundingClientRect(); return [r.width, r.height]; };
return {
  lines: [...card.querySelectorAll('.scatterlayer .trace path.js-line')]
    .filter(e => e.style.strokeOpacity === '1').map(e => [e.style.stroke, ...box(e)]),
  bands: [...card.querySelectorAll('.scatterlayer path.js-fill')].map(box),
  bars: [...card.querySelectorAll('.barlayer .point path')].map(box),
  text: card.innerText,
};
"""
T = TypeVar("T")


def missing() -> str:
    """The reason why no browser can run here; empty if one can."""
    absent = [name for name in PROGRAMS if not shutil.which(name)]
    absent += ["selenium"] if importlib.util.find_spec("selenium") is None else []
    return ", ".join(f"no {name}" for name in absent)


# ---------------------------------------------------------------- the command
def start(results: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench", "ui", "--results", str(results), "--no-browser", *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@contextlib.contextmanager
def served(results: Path) -> Iterator[dict[str, str]]:
    """Run the command and yield the newest experiment's addresses by view. At the end SIGINT must give exit code 0."""
    with start(results) as process:
        assert process.stdout is not None
        try:
            addresses: dict[str, str] = {}
            output = ""
            for line in process.stdout:
                output += line
                found = re.fullmatch(r"  (\w+) +(http://127\.0\.0\.1:\S+)\n", line)
                if found:
                    addresses.setdefault(found[1], found[2])
                elif "Ctrl-C" in line:
                    break
            assert addresses, output
            yield addresses
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.terminate()


# ---------------------------------------------------------------- the browser
class Browser:
    """A browser that shows one page at a time."""

    def __init__(self, driver: "webdriver.Chrome") -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        self.driver.get("about:blank")  # otherwise an address with only another fragment is not loaded
        self.driver.get(address)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, ask: Callable[[], T], is_enough: Callable[[T], Any] = bool) -> T:
        """Call ``ask`` until its answer is accepted or the time is up; returns the last answer, for an assertion."""
        deadline = time.monotonic() + PAGE_LIMIT_S
        while True:
            answer = ask()
            if is_enough(answer) or time.monotonic() > deadline:
                return answer
            time.sleep(0.3)

    def chart(self, title: str, *, lines: int = 0, bars: int = 0) -> dict[str, Any]:
        """Lines, bands, bars and text of one chart, once it has as many lines and bars as wanted or the time is up."""
        nothing: dict[str, Any] = {"lines": [], "bands": [], "bars": [], "text": ""}
        return self.until(
            lambda: self.run(CHART, title) or nothing,
            lambda chart: len(chart["lines"]) >= lines and len(chart["bars"]) >= bars,
        )

    def text(self) -> str:
        return self.run("return document.body ? document.body.innerText : ''")

    def errors(self) -> list[str]:
        """Console errors since the last call, except the harmless ones."""
        found = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        return [message for message in found if not any(noise in message for noise in NOISE)]

    def picture(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.driver.get_screenshot_as_png())


@contextlib.contextmanager
def browser(address: str) -> Iterator[Browser]:
    """Chromium with a fresh profile, in which the panel of a first visit to this MLflow is already dismissed."""
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which(PROGRAMS[0]) or ""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--window-size={WINDOW[0]},{WINDOW[1]}", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which(PROGRAMS[1])))
        try:
            size = {"width": WINDOW[0], "height": WINDOW[1], "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            if address.startswith("http"):
                driver.get(urljoin(address, "/health"))
                driver.execute_script(VISITED)
            yield Browser(driver)
        finally:
            with contextlib.suppress(WebDriverException):
                driver.quit()


def main(results: Path, folder: Path) -> None:
    """Take the pictures."""
    with served(results) as addresses, browser(addresses["seeds"]) as page:
        for view in ("seeds", "arms"):
            page.open(addresses[view])
            page.chart("mi/categorical", lines=1)
            page.chart("summary/mi_final", bars=1)
            time.sleep(3)  # the charts change their size once more
            page.picture(folder / f"mlflow-{view}.png")
            print(folder / f"mlflow-{view}.png")


if __name__ == "__main__":
    if missing() or len(sys.argv) not in (2, 3):
        sys.exit(missing() or str(__doc__))
    main(Path(sys.argv[1]), Path(*sys.argv[2:3] or [ROOT / "docs" / "images"]))
