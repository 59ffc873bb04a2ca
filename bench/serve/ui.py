"""``ui``: MLflow's pages over a results folder, on loopback, with the addresses of the prepared views."""

import os
import signal
import sys
import tempfile
import time
import webbrowser
from pathlib import Path

from bench.console import BadInput, Exit, console, escape, is_watched, say
from bench.context import require_mlflow
from bench.serve.process import (
    LOOPBACK,
    POLL_S,
    ServerFailed,
    is_healthy,
    mlflow_server,
    received_signals,
    usable_port,
    wait_until,
)
from bench.tracking import store as tracking

VIEWS = {  # options of an experiment's page; the keys are those of the experiment's tags
    "seeds": "compareRunsMode=CHART&viewStateShareKey=seeds",
    "arms": "compareRunsMode=CHART&viewStateShareKey=arms",
    "table": "viewStateShareKey=seeds",
}


def show(results: Path, port: int | None, *, open_browser: bool) -> Exit:
    """Serve the results' store until Ctrl-C. Of a store behind a server of its own, only the addresses are printed."""
    uri = tracking.resolve_uri(results)
    require_mlflow("`python -m bench report` does without it; or install it")
    try:
        if uri.startswith(("http://", "https://")):
            _print_views(tracking.redacted(uri).rstrip("/"), tracking.prepared_experiments(uri))
            return Exit.OK
        if not tracking.may_exist(uri):
            raise BadInput(f"nothing to show: no mlflow.db in {results}; run `python -m bench run` first")
        return _serve(uri, results.absolute() / "artifacts", usable_port(port), open_browser=open_browser)
    except (tracking.StoreError, ServerFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return Exit.FAILED


# ---------------------------------------------------------------- addresses
def view_address(base: str, experiment_id: str, view: str) -> str:
    """Of a prepared view; without the workflow type a first visit shows MLflow's page for language models."""
    return f"{base}/#/experiments/{experiment_id}/runs?workflowType=machine_learning&{VIEWS[view]}"


def _print_views(base: str, experiments: dict[str, str]) -> None:
    for name, experiment_id in experiments.items():
        say(f"[bold]{escape(name)}[/bold]")
        for view in VIEWS:
            say(f"  {view:5}  {escape(view_address(base, experiment_id, view))}")
    if not experiments:
        say("no runs are mirrored here yet; `python -m bench sync` mirrors what is recorded")


def _open_browser(address: str) -> None:
    has_display = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if has_display and is_watched():
        webbrowser.open(address)


# ---------------------------------------------------------------- the server
def _serve(uri: str, artifacts: Path, port: int, *, open_browser: bool) -> Exit:
    base = f"http://{LOOPBACK}:{port}"
    with (
        received_signals() as signals,
        tempfile.TemporaryFile() as log,
        mlflow_server(uri, artifacts, port, log) as server,
    ):
        with console.status("starting MLflow, about 10 s"):
            experiments = tracking.prepared_experiments(uri)  # while the server starts
            wait_until(lambda: is_healthy(base), server, signals)
        if not signals:
            _print_views(base, experiments)
            say(f"MLflow serves {escape(tracking.redacted(uri))} at {base}; Ctrl-C stops it")
            if open_browser and experiments:
                _open_browser(view_address(base, next(iter(experiments.values())), "seeds"))
        while not signals:
            server.check()
            time.sleep(POLL_S)
    return Exit.OK if signals[0] == signal.SIGINT else Exit.TERMINATED
