"""A download starts only if an address answers, and without a network it costs almost nothing."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infogan.data import downloads

CLOSED = "http://127.0.0.1:9/"  # port of the discard service: nobody listens there
PREPARE = """
import sys
from infogan import data
from infogan.data import downloads
assert data.prepare("mnist", "auto").source == "embedded"
print(downloads.failure("mnist"))
assert not {"torch", "torchvision"} & sys.modules.keys()
"""


class _Refusing(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_error(403)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def refusing() -> Iterator[str]:
    """Address of a server that answers but returns nothing, as a mirror does for its folder."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A list for the folders of started downloads, in a process that may use the network without a proxy."""
    for name in ("INFOGAN_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(downloads, "_failures", {})
    return []


def test_nothing_is_fetched_where_no_address_answers(asked: list[Path], tmp_path: Path) -> None:
    assert not downloads.download("set", tmp_path / "set", asked.append, (CLOSED, CLOSED))
    assert asked == []
    assert "refused" in downloads.failure("set")


def test_one_address_that_answers_is_enough(asked: list[Path], tmp_path: Path, refusing: str) -> None:
    def fetch(folder: Path) -> None:
        asked.append(folder)
        folder.mkdir()

    assert downloads.download("set", tmp_path / "set", fetch, (CLOSED, refusing))
    assert len(asked) == 1
    assert (tmp_path / "set").is_dir()


def test_without_a_network_the_digits_cost_no_torch() -> None:
    """Importing torch would be useless there, and would cost each launcher 3 s of processor time and 400 MB."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy"), CLOSED)  # as if there were no network
    environment = {k: v for k, v in os.environ.items() if k not in ("INFOGAN_OFFLINE", "no_proxy", "NO_PROXY")}
    ended = subprocess.run(
        [sys.executable, "-c", PREPARE],
        env=environment | proxies,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert "refused" in ended.stdout
