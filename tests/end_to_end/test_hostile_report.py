"""A report over hostile records in a real browser: nothing runs, nothing is loaded, everything is shown as text."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.report import write_report
from bench.spec.tables import load_spec
from tests.builders import finished_cell, tiny_file
from tests.end_to_end.browser import browser, missing

needs_browser = pytest.mark.skipif(bool(missing()), reason=f"{missing()}: `make system-deps`")


def hostile(port: int) -> str:
    host = f"http://127.0.0.1:{port}"
    return (
        f"<script>window.hacked=1</script><img src=x onerror=window.hacked=2><img src={host}/image>"
        f'"><svg onload=window.hacked=3><iframe src={host}/frame></iframe><style>@import "{host}/style"</style>'
        f"<a href='javascript:window.hacked=4'>here</a> {{{{ 7*7 }}}} ${{7*7}} \u202e ]]> --> </title></style>"
    )


@needs_browser
def test_nothing_runs_and_nothing_is_loaded(tmp_path: Path) -> None:
    asked: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        text = hostile(server.server_port)
        results = tmp_path / "results"
        finished_cell(results, said=text)
        failure = {"error": text, "message": text, "traceback": text}
        finished_cell(results, seed=1, said=text, status="failed", **failure)
        tiny_file(tmp_path)
        report = write_report(results, load_spec(tmp_path / "experiments.toml"))
        page = report.html.read_text()
        assert not re.search(r"<script|<iframe|<svg(?! class=.strip. viewBox)|<img src=(?!\"data:)", page)
        assert re.search(r"Content-Security-Policy\" content=\"default-src 'none'", page)
        with browser(report.html.as_uri()) as opened:
            opened.open(report.html.as_uri())
            shown = opened.until(opened.text)
            assert "<script>window.hacked=1</script>" in shown
            assert "{{ 7*7 }}" in shown
            assert opened.run("return window.hacked") is None
            loaded = "return performance.getEntriesByType('resource').map(e => e.name)"
            assert [name for name in opened.run(loaded) if not name.startswith("data:")] == []
            # if the escaping failed, the page's policy would still stop it
            opened.run(
                "for (const tag of ['script', 'iframe', 'img']) {"
                " const e = document.createElement(tag); e.src = arguments[0] + tag; document.body.append(e); }"
                "const inline = document.createElement('script'); inline.text = 'window.hacked = 5';"
                "document.body.append(inline);",
                f"http://127.0.0.1:{server.server_port}/policy-",
            )
            blocked = opened.until(opened.errors)
            assert any("Content Security Policy" in line for line in blocked)
            assert opened.run("return window.hacked") is None
        assert asked == []
    finally:
        server.shutdown()
        server.server_close()
