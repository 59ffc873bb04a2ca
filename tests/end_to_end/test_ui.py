"""``python -m bench ui``: the server that it starts and stops, and what a person sees in a real browser."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest

from bench.context import Context
from bench.paths import on_results
from bench.records.find import find_cells
from bench.records.folder import CellFolder
from bench.records.schema import Result
from bench.tracking import connection as tracking
from bench.tracking import mirror
from tests.builders import history_of
from tests.end_to_end.attacks import (
    Request,
    ask,
    ask_as_nobody,
    check_artifacts_stay_inside,
    check_hosts_and_origins,
    check_refused_routes,
    needs_root,
    post,
)
from tests.end_to_end.browser import Browser, browser, missing, served, start
from tests.end_to_end.harness import PATIENCE_S

ARMS = ("gan", "infogan", "infogan-fast-q")
CEILING = {"gan": 0.1, "infogan": 2.1, "infogan-fast-q": 2.25}  # nats
COLUMNS = ("Run Name", "arm", "seed", "summary/t80", "summary/mi_final", "t80")
needs_browser = pytest.mark.skipif(bool(missing()), reason=f"{missing()}: `make system-deps`")


# ---------------------------------------------------------------- a results folder
def finished(folder: CellFolder, iterations: int, ceiling: float, seed: int) -> None:
    """Write the records of a finished cell whose L_I rises to the ceiling."""
    t = np.arange(1, iterations + 1)
    columns = {
        "loss/discriminator": 1.2 + 0.1 * np.sin(t + seed),
        "loss/generator": 0.7 + 0.1 * np.cos(t + seed),
        "mi/c1": ceiling * (1 - np.exp(-t / (3 + seed / 2))),
    }
    folder.write_history(history_of(columns, iterations, step_ms=20.0))
    grid = np.random.default_rng(seed).integers(0, 255, (5, 10, 28, 28, 1), dtype=np.uint8)
    folder.write_traversals({"c1": grid})
    folder.write_result(Result(status="done", iterations=iterations, mi_frozen_nats={"c1": ceiling}))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """A results folder with fifteen finished and mirrored cells: three arms with five seeds each."""
    results = tmp_path_factory.mktemp("ui")
    shutil.copy(empty_database, results / "mlflow.db")
    context = Context(["mnist-mi"], results=results, profile="smoke", arms=",".join(ARMS), device="cpu")
    folders = [CellFolder.of(results, cell) for cell in context.cells]
    for cell, folder in zip(context.cells, folders, strict=True):
        folder.write_identity(cell, {"git_commit": "0123456789ab"}, cell.config["data"])
        finished(folder, cell.iterations, CEILING[cell.arm], cell.seed)
    assert len(folders) == 15
    assert mirror.sync(results, folders, tracking.default_uri(results)) == []
    return results


@pytest.fixture(scope="module")
def addresses(results: Path) -> Iterator[dict[str, str]]:
    with served(results) as addresses:
        yield addresses


@pytest.fixture(scope="module")
def page(addresses: dict[str, str]) -> Iterator[Browser]:
    with browser(addresses["seeds"]) as page:
        yield page


# ---------------------------------------------------------------- in the browser
@needs_browser
def test_the_seeds_view_draws_a_line_for_each_run(addresses: dict[str, str], page: Browser) -> None:
    page.open(addresses["seeds"])
    chart = page.chart("mi/categorical", lines=15)
    assert len(chart["lines"]) == 15
    assert all(width > 100 and height > 5 for _, width, height in chart["lines"])
    assert len({stroke for stroke, _, _ in chart["lines"]}) == 15  # a hue for each arm, a shade for each seed
    assert "gan/seed-0 (mi/categorical)" in chart["text"]
    for bars, number in (("summary/t80", 10), ("summary/mi_final", 15)):  # the plain GAN never reaches T80
        drawn = page.chart(bars, bars=number)["bars"]
        assert len(drawn) == number
        assert all(width > 1 and height > 1 for width, height in drawn)
    text = page.text()
    assert [f"{arm}/seed-{seed}" for arm in ARMS for seed in range(5) if f"{arm}/seed-{seed}" not in text] == []
    assert text.index("Mutual information") < text.index("Losses")
    assert page.errors() == []


@needs_browser
def test_the_arms_view_draws_a_group_with_its_band_for_each_arm(addresses: dict[str, str], page: Browser) -> None:
    page.open(addresses["arms"])
    chart = page.chart("mi/categorical", lines=3)
    assert len(chart["lines"]) == len(chart["bands"]) == 3
    assert all(width > 100 and height > 5 for *_, width, height in chart["lines"] + chart["bands"])
    assert len(page.chart("summary/mi_final", bars=3)["bars"]) == 3
    text = page.text()
    assert all(f"{arm} (mi/categorical)" in chart["text"] and f"Group: {arm}\n" in text for arm in ARMS)
    assert page.errors() == []


@needs_browser
def test_the_table_shows_its_columns_without_scrolling(addresses: dict[str, str], page: Browser) -> None:
    page.open(addresses["table"])
    headers = "return Object.fromEntries([...document.querySelectorAll('.ag-header-cell')].map("
    headers += "e => [e.innerText.trim(), e.getBoundingClientRect().right]))"
    right = page.until(lambda: page.run(headers), lambda found: set(COLUMNS) <= found.keys())
    assert set(COLUMNS) <= right.keys()
    assert sorted(COLUMNS, key=right.__getitem__) == list(COLUMNS)
    assert right["t80"] < 1366  # a small laptop's width
    cells = "return [...document.querySelectorAll('.ag-center-cols-container .ag-row')].map(e => e.innerText)"
    rows = page.until(lambda: page.run(cells), lambda found: found and len(found[0].split()) >= 5)
    assert rows[0].split()[:2] == ["gan", "0"]
    assert page.errors() == []


@needs_browser
def test_a_run_shows_its_note_its_data_set_and_its_pictures(
    results: Path, addresses: dict[str, str], page: Browser
) -> None:
    folder = next(f for f in find_cells(results).folders if f.cell().name == "infogan/seed-0")
    run_id, digest = (folder.tracking() or {})["run_id"], folder.cell().config["data"]["digest"]
    run_page = addresses["seeds"].partition("/runs?")[0] + f"/runs/{run_id}"
    page.open(run_page)
    text = page.until(page.text, lambda text: "Datasets" in text and "Arm infogan" in text)
    assert "Arm infogan: G is trained on L_I" in text
    assert f"mnist ({digest[:32]})" in text
    page.open(f"{run_page}/artifacts/traversals/c1.png")
    sizes = "return [...document.images].map(i => [i.naturalWidth, i.naturalHeight])"
    wanted = [2 * (10 * 28 + 9), 2 * (13 + 5 * 28 + 4)]  # doubled: labels, digits and separators
    assert wanted in page.until(lambda: page.run(sizes), lambda found: wanted in found)
    assert page.errors() == []


# ---------------------------------------------------------------- the server
def test_the_server_listens_on_loopback_alone(addresses: dict[str, str]) -> None:
    port = urlsplit(addresses["seeds"]).port
    listening = [c.laddr for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert {address.ip for address in listening if address.port == port} == {"127.0.0.1"}


@needs_root
def test_another_account_gets_nothing_without_the_token(results: Path, addresses: dict[str, str]) -> None:
    """With the token, it still gets no route that viewing does not need, and no artifact outside the store's folder."""
    base, _, token = addresses["seeds"].partition("#")[0].partition("?token=")
    wanted = [Request("GET", "/"), Request("GET", "/version"), post("/ajax-api/2.0/mlflow/runs/search", {})]
    wanted += [Request("GET", f"/?token={guess}") for guess in ("", "x" * len(token), token[:-1])]
    wanted += [Request("GET", "/version", b"", (("Cookie", f"infogan-{urlsplit(base).port}=x"),))]
    assert [answer.status for answer in ask_as_nobody(base, wanted)] == [403] * len(wanted)
    (first,) = ask(base, [Request("GET", f"/?token={token}")])
    assert (first.status, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"]
    assert cookie.endswith("; HttpOnly; SameSite=Lax; Path=/")
    assert ask(base, [Request("GET", "/", b"", (("Cookie", cookie.partition(";")[0]),))])[0].status == 200

    bearer = ("Authorization", f"Bearer {token}")
    check_refused_routes(base, bearer)
    check_hosts_and_origins(base, bearer)
    outside = results.parent / "outside"
    outside.mkdir(0o700)
    check_artifacts_stay_inside(base, outside, bearer)


def test_artifacts_that_a_store_names_elsewhere_are_not_served(results: Path, addresses: dict[str, str]) -> None:
    """A results folder may come from anybody, and an older server accepted any location for artifacts."""
    from mlflow import MlflowClient

    base, _, token = addresses["seeds"].partition("#")[0].partition("?token=")
    private = results.parent / "private"
    private.mkdir(0o700)
    client = MlflowClient(tracking.default_uri(results))
    run_id = client.create_run(client.create_experiment("elsewhere", str(private))).info.run_id
    client.log_text(run_id, "of nobody's business", "secret.txt")
    asked = [f"/get-artifact?run_id={run_id}&path=secret.txt", f"/api/2.0/mlflow/artifacts/list?run_id={run_id}"]
    bearer = ("Authorization", f"Bearer {token}")
    for answer in ask(base, [Request("GET", path, b"", (bearer,)) for path in asked]):
        assert answer.status == 403
        assert b"are not served" in answer.body


def test_sigterm_takes_the_server_along(results: Path) -> None:
    with start(results) as process:
        server = first_child(process)
        family = [server, *server.children(recursive=True)]
        process.terminate()
        assert process.wait(PATIENCE_S) == 143
        assert psutil.wait_procs(family, timeout=PATIENCE_S)[1] == []


def test_a_server_that_dies_is_one_line(results: Path) -> None:
    with start(results) as process:
        first_child(process).kill()
        output, _ = process.communicate(timeout=PATIENCE_S)
        assert output == "error: MLflow ended with code -9: without output\n"
        assert process.returncode == 1


def first_child(process: subprocess.Popen[str]) -> psutil.Process:
    while process.poll() is None:
        for child in psutil.Process(process.pid).children():
            if "bench.serve.app" in child.cmdline():
                return child
    raise AssertionError("the command started no server")


def test_bad_use_is_one_line(results: Path, tmp_path: Path) -> None:
    code, output = outcome(tmp_path)
    assert (code, output.count("\n")) == (2, 1)
    assert "nothing to show" in output
    assert "python -m bench run" in output
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    code, output = outcome(tmp_path)
    assert (code, output.count("\n")) == (1, 1)
    assert f"then sync again: {on_results(tmp_path, 'sync')}\n" in output
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, output = outcome(results, "--port", str(port))
    assert (code, output.count("\n")) == (2, 1)
    assert f"port {port} cannot be used" in output


def test_of_a_server_elsewhere_only_the_addresses_are_printed(
    results: Path, addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, _, token = addresses["seeds"].partition("#")[0].partition("?token=")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", base)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
    code, output = outcome(results)
    assert code == 0
    assert output.split()[0] == "mnist-mi-smoke"
    assert {address.replace(f"?token={token}", "") for address in addresses.values()} <= set(output.split())


def outcome(results: Path, *options: str) -> tuple[int, str]:
    with start(results, *options) as process:
        output, _ = process.communicate(timeout=PATIENCE_S)
        return process.returncode, output
