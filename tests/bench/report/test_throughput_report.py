"""The report's throughput section and README's block, from records that the real command wrote."""

import json
import random
from pathlib import Path

import pytest

from bench.context import DEFAULT_SPEC
from bench.environment import multiplies_bf16
from bench.publish import throughput as publish
from bench.publish.documents import with_block
from bench.records.storage import write_plain_json
from bench.report import throughput, write_report
from bench.spec.tables import load_spec
from bench.throughput import paired, session, suite
from bench.throughput.workloads import Workload
from tests.bench.throughput_records import BESIDE, run_throughput


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a paired record and a suite's, both of small networks and short blocks."""
    results = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired, "WARM_UP_S", 0.0)
        patch.setattr(paired, "BLOCK_S", 0.0)
        patch.setattr(paired, "LOOKS", (6,))
        patch.setattr(session, "YARDSTICK_LOOKS", (6,))
        patch.setattr(suite, "ROUNDS", 2)
        patch.setattr("bench.throughput.ceiling.SIZES", {"cpu": 64})
        assert run_throughput(results, "--batch-size 4 --width 0.03 --device cpu") == 0
        rows = [
            row for n in (2, 4) for row in suite.measure_case(suite.Case(Workload("mnist", n, 0.03)), random.Random(0))
        ]
    record = session.Session("cpu", 1, lambda _: None).record("suite") | {"rows": rows, **BESIDE}
    write_plain_json(results / "throughput" / "suite.json", record)
    return results


def test_the_section_shows_ratios_shares_and_what_is_missing(measured: Path, tmp_path: Path) -> None:
    report = write_report(measured, load_spec(DEFAULT_SPEC), tmp_path)
    record = json.loads((measured / "throughput" / "paired.json").read_text())
    comparison = record["measurements"][0]["comparisons"]["reference"]
    ratio = comparison["ratio"][comparison["clock"]]
    for page in (report.html.read_text(), report.markdown.read_text().replace("\\", "")):
        assert f"{ratio['ratio']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}]" in page
        assert "the structure of the popular ports" in page
        assert throughput.NO_GPU in page
        assert record["fingerprint"]["cpu"] in page
    names = {path.name for path in (tmp_path / "tables").iterdir()}
    assert names >= {f"throughput-{n}.csv" for n in ("speeds", "ratios", "ceiling", "suite", "beside")}
    assert (tmp_path / "figures" / "throughput.svg").read_bytes().lstrip().startswith(b"<?xml")
    suite_csv = (tmp_path / "tables" / "throughput-suite.csv").read_text().splitlines()
    assert len(suite_csv) == 1 + 2 * len(suite.STEPS)


def test_without_records_the_section_names_the_commands(tmp_path: Path) -> None:
    page = write_report(tmp_path, load_spec(DEFAULT_SPEC)).markdown.read_text()
    assert throughput.PAIRED in page
    assert throughput.SUITE in page
    assert "## Throughput" in page


def test_a_file_that_is_no_record_is_named_and_another_kind_is_not(measured: Path, tmp_path: Path) -> None:
    good = json.loads((measured / "throughput" / "paired.json").read_text())
    for name, content in (("a.json", "{"), ("b.json", '{"kind": "paired"}'), ("c.json", '{"kind": "another"}')):
        (tmp_path / name).write_text(content)
    (tmp_path / "good.json").write_text(json.dumps(good))
    records = throughput.read_records(tmp_path)
    assert records.paired == good
    assert sorted(line.split(":")[0] for line in records.unreadable) == ["throughput/a.json", "throughput/b.json"]
    assert any(line.startswith("unreadable: throughput/a.json") for line in throughput.missing(records))


def test_a_record_of_before_bf16_renders_as_one_of_float32(measured: Path, tmp_path: Path) -> None:
    record = json.loads((measured / "throughput" / "paired.json").read_text())
    old = [m for m in record["measurements"] if m["workload"].pop("precision") == "float32"]
    write_plain_json(tmp_path / "paired.json", record | {"measurements": old})
    records = throughput.read_records(tmp_path)
    assert records.unreadable == []
    speeds, ratios, ceiling = throughput.tables(records)
    assert [row[:2] for row in speeds.rows] == [row[:2] for row in ceiling.rows] == [["mnist", "float32"]]
    assert {row[2] for row in ratios.rows} == {"float32"}
    assert "| mnist | float32 |" in publish.shown_block(records, None)
    assert any(line.startswith("the fused step in bf16: ") for line in throughput.missing(records))


def test_publishing_fills_the_blocks_from_the_records(
    measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for attribute, name in (("DOCUMENT", publish.BLOCK), ("README", publish.SPEED_BLOCK)):
        document = tmp_path / f"{attribute}.md"
        document.write_text(f"before\n<!-- {name} -->\n<!-- /{name} -->\nafter\n")
        monkeypatch.setattr(publish, attribute, document)
    monkeypatch.setattr(publish, "FOLDER", tmp_path / "reference")
    publish.publish(measured)
    assert_filled(publish.committed_blocks())
    text = publish.DOCUMENT.read_text()
    assert "| mnist | float32 |" in text
    assert ("| mnist | bf16 |" in text) == multiplies_bf16("cpu")
    assert "| mnist, float32 | a plain alternating loop |" in text
    assert "(reference/throughput.png)" in text
    with pytest.raises(ValueError, match="holds no record of python -m bench throughput"):
        publish.publish(tmp_path / "empty")


def test_the_speed_of_readme_is_that_of_the_record(measured: Path) -> None:
    record = json.loads((measured / "throughput" / "paired.json").read_text())
    rows = publish.speed_block(throughput.read_records(measured / "throughput")).splitlines()
    assert rows[0].startswith(f"| {record['fingerprint']['cpu']} (")
    shown = rows[2].strip("| ").split(" | ")
    found = record["measurements"][0]
    ports = found["comparisons"]["as_commonly_written"]
    own_ms = ports["step_ms"][ports["clock"]]
    assert shown[0] == "mnist"
    rate = float(shown[1].partition(" (")[0].replace(",", ""))
    assert rate == pytest.approx(4e3 / own_ms, rel=0.3)  # of other blocks than the pairs'
    assert float(shown[-1].replace(",", "")) == pytest.approx(4e3 / ports["other_ms"][ports["clock"]], abs=0.51)


def assert_filled(documents: dict[Path, dict[str, str]]) -> None:
    for document, blocks in documents.items():
        text = document.read_text()
        for name, block in blocks.items():
            assert with_block(text, name, block) == text


def test_documents_show_the_committed_records() -> None:
    """Without records, they say that there are none."""
    assert_filled(publish.committed_blocks())
    (shown,) = publish.committed_blocks()[publish.DOCUMENT].values()
    assert (shown == publish.NOTHING) == (not (publish.FOLDER / "paired.json").exists())
