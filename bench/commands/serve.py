"""``ui`` and ``server``: serve the MLflow pages of a results folder, or one tracking store for all sweeps."""

from pathlib import Path
from typing import Annotated

import typer

from bench.console import Exit
from bench.options import Results
from bench.paths import DEFAULT_RESULTS


def ui(
    results: Results = DEFAULT_RESULTS,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on. Default: any free port.")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the addresses.")] = False,
) -> Exit:
    """Serve the MLflow pages of the results, on this machine only, until Ctrl-C."""
    from bench.serve.ui import show

    return show(results, port, open_browser=not no_browser)


def server(
    folder: Annotated[Path, typer.Option(help="Folder of the database, the artifacts and the logs.")] = Path(
        "results/server"
    ),
    store: Annotated[
        str,
        typer.Option(
            envvar="MLFLOW_BACKEND_STORE_URI",
            help="postgresql (made in the folder), sqlite, or the address of a database. Give an address with a "
            "password in the variable, not here.",
            show_default="postgresql",
        ),
    ] = "postgresql",
    host: Annotated[str, typer.Option(help="Address to listen on. 0.0.0.0 opens it to the network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
    allowed_hosts: Annotated[
        str | None,
        typer.Option(
            help="Further host names that clients may use, separated by commas; no patterns. localhost and private "
            "addresses always work."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of server processes.")] = 1,
    token: Annotated[
        bool, typer.Option("--token", help="Answer only requests that carry the token in the folder.")
    ] = False,
) -> Exit:
    """Serve one tracking store for all sweeps, until Ctrl-C: MLflow with PostgreSQL and a folder of artifacts."""
    from bench.serve.server import ServerOptions, serve

    return serve(ServerOptions(folder, store, host, port, allowed_hosts, workers, token))
