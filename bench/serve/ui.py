"""``ui``: serve MLflow's pages of a results folder on loopback, protected by a token in the addresses."""

import html
import os
import secrets
import sys
import tempfile
import webbrowser
from pathlib import Path

from bench.console import BadInput, Exit, console, escape, is_watched, received_signals, say
from bench.context import require_mlflow
from bench.paths import on_results, require_folder
from bench.serve.app import Served
from bench.serve.process import LOOPBACK, ServerFailed, is_healthy, mlflow_server, serve_until, usable_port, wait_until
from bench.tracking import connection as tracking
from bench.tracking.uri import SYNC, redacted

VIEWS = {  # options of an experiment's page; the keys are also used in the experiment's tags
    "seeds": "compareRunsMode=CHART&viewStateShareKey=seeds",
    "arms": "compareRunsMode=CHART&viewStateShareKey=arms",
    "table": "viewStateShareKey=seeds",
}


def show(results: Path, port: int | None, *, open_browser: bool) -> Exit:
    """Serve the results' store until Ctrl-C. For a store with its own server, only print the addresses."""
    require_folder("results", results)
    uri = tracking.resolve_uri(results)
    require_mlflow(f"`{on_results(results, 'report')}` does not need it; or install it")
    try:
        if uri.startswith(("http://", "https://")):
            _print_views(f"{redacted(uri).rstrip('/')}/", tracking.prepared_experiments(uri), results)
            return Exit.OK
        if not tracking.may_exist(uri):
            first = ["sync"] if (results / "cells").is_dir() else ["run", "EXPERIMENT"]
            raise BadInput(f"nothing to show: no mlflow.db in {results}; run `{on_results(results, *first)}` first")
        folders = () if uri == tracking.default_uri(results) else tracking.artifact_folders(uri)
        served = Served(
            uri, str(results.absolute() / "artifacts"), folders, port=usable_port(port), token=secrets.token_urlsafe(24)
        )
        return _serve(served, results, open_browser=open_browser)
    except (tracking.StoreError, ServerFailed) as error:
        hint = f": {on_results(results, 'sync')}" if str(error).endswith(SYNC) else ""
        print(f"error: {error}{hint}", file=sys.stderr)
        return Exit.FAILED


# ---------------------------------------------------------------- addresses
def view_address(base: str, experiment_id: str, view: str) -> str:
    """Address of a prepared view. Without the workflow type, a first visit shows MLflow's page for language models."""
    return f"{base}#/experiments/{experiment_id}/runs?workflowType=machine_learning&{VIEWS[view]}"


def _print_views(base: str, experiments: dict[str, str], results: Path) -> None:
    for name, experiment_id in experiments.items():
        say(f"[bold]{escape(name)}[/bold]")
        for view in VIEWS:
            say(f"  {view:5}  {escape(view_address(base, experiment_id, view))}", to_copy=True)
    if not experiments:
        say(f"no runs are mirrored here yet; `{escape(on_results(results, 'sync'))}` mirrors what is recorded")


def _open_browser(address: str, folder: str) -> None:
    """Open the address through a private local file, because program arguments are visible to all users."""
    has_display = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if has_display and is_watched():
        page = Path(folder, "open.html")
        page.write_text(f'<meta http-equiv="refresh" content="0; url={html.escape(address)}">')
        webbrowser.open(page.as_uri())


# ---------------------------------------------------------------- the server
def _serve(served: Served, results: Path, *, open_browser: bool) -> Exit:
    base = f"http://{LOOPBACK}:{served.port}"
    with (
        received_signals() as signals,
        tempfile.TemporaryFile() as log,
        tempfile.TemporaryDirectory() as folder,
        mlflow_server(served, log) as server,
    ):
        with console.status("starting MLflow, about 10 s"):
            experiments = tracking.prepared_experiments(served.store_uri)  # while the server starts
            wait_until(lambda: is_healthy(base), server, signals)
        if not signals:
            page = f"{base}/?token={served.token}"
            _print_views(page, experiments, results)
            say(f"MLflow serves {escape(redacted(served.store_uri))} at {page}; Ctrl-C stops it", to_copy=True)
            if open_browser and experiments:
                _open_browser(view_address(page, next(iter(experiments.values())), "seeds"), folder)
        return serve_until(signals, [server])
