"""What a person sees while a data set is prepared where nobody watches a terminal."""

import io

from rich.console import Console

from bench import progress


def test_a_log_gets_a_line_now_and_then(monkeypatch) -> None:
    seconds = iter((0.0, 1.0, 21.0, 21.0, 22.0, 45.0, 45.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    page = io.StringIO()
    with progress.preparing("faces", Console(file=page, width=200)) as report:
        for done in (100, 300, 400, 1000):
            report(done, 2000)
    assert page.getvalue().splitlines() == [
        "preparing faces: 300 of 2000 images",
        "preparing faces: 1000 of 2000 images",
    ]
