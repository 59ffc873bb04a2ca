"""The static site: documents become pages whose links have targets, and only an earlier site is overwritten."""

import re
import sys
from html import unescape
from pathlib import Path

import pytest
import yaml

from bench.publish import site
from bench.publish.markdown import slug, title_of, to_html

MAX_BYTES = 30_000_000  # bytes of the whole site; a visitor loads one page of it


def test_a_document_becomes_a_page() -> None:
    text = "# A title\n\n| a | b |\n|---|---|\n| `x` | [one](ONE.md#part-1) and [two](two/) |\n"
    targets = {"ONE.md#part-1": "ONE.html#part-1"}
    html = to_html(text + "\n## Part 1: *all* of it\n\n## Part 1: all of it\n", targets.get)
    assert '<div class="scroll"><table>' in html
    assert '<a href="ONE.html#part-1">one</a> and two</td>' in html  # a link without a target leaves its text
    assert re.findall(r'id="([^"]+)"', html) == ["a-title", "part-1-all-of-it", "part-1-all-of-it-1"]
    assert title_of(text, "x") == "A title"
    assert title_of("no heading", "x") == "x"
    assert slug("What `make demo` shows, in C++") == "what-make-demo-shows-in-c"


def test_links_of_the_tree_become_links_of_the_site() -> None:
    found = site.Site()
    found.references = ["mnist-paper"]
    assert found.target("docs/results/figure-2.md", "../../results/reference/mnist-paper/report.md") == (
        "../../results/reference/mnist-paper/index.html"
    )
    assert found.target("README.md", "results/reference/README.md") == "index.html"
    assert found.target("README.md", "docs/METRICS.md#words") == "docs/METRICS.html#words"
    assert found.target("docs/DATA.md", "../README.md") == "../README.html"
    assert found.target("README.md", "https://arxiv.org/abs/1606.03657") == "https://arxiv.org/abs/1606.03657"
    assert found.target("docs/REGRESSION.md", "ci-workflow.yml") == "ci-workflow.yml"
    assert found.target("docs/REGRESSION.md", "../results/reference/winograd") is None  # a folder has no page
    assert set(found.files) == {"docs/ci-workflow.yml"}


def test_only_an_earlier_site_is_written_over(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no earlier site"):
        site.write({}, Path(__file__).parent)
    site.write({"a/index.html": b"1", "b.html": b"2"}, tmp_path / "site")
    site.write({"a/index.html": b"3"}, tmp_path / "site")
    assert (tmp_path / "site/a/index.html").read_bytes() == b"3"
    (tmp_path / "link").symlink_to("site")
    site.write({"a/index.html": b"4"}, tmp_path / "link")  # what a web server reads is what changes
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "site/a/index.html").read_bytes() == b"4"
    assert not (tmp_path / "site/b.html").exists()
    (tmp_path / "site/.site").unlink()
    with pytest.raises(ValueError, match="no earlier site"):
        site.write({}, tmp_path / "site")


def test_a_site_that_cannot_be_built_leaves_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write({"index.html": b"1"}, tmp_path / "site")

    def stopped() -> dict[str, bytes]:
        raise KeyboardInterrupt

    monkeypatch.setattr(site, "build", stopped)
    monkeypatch.setattr(sys, "argv", ["site", "--to", str(tmp_path / "site")])
    with pytest.raises(KeyboardInterrupt):
        site.main()
    assert (tmp_path / "site/index.html").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_sign_stays_with_its_number_in_text_and_code_stays_as_typed() -> None:
    html = to_html("At most 5 % of **3 %** and `7 % 2`.\n\n```python\n9 % 2\n```\n", {}.get)
    assert "5\u00a0%" in html
    assert "3\u00a0%" in html
    assert "7 % 2" in html
    assert "9 % 2" in html


def test_the_page_of_regressions_opens_with_the_newest_check() -> None:
    def page(checks: list[object]) -> str:
        made = site.Site()
        made.document("history.html", site.QUESTION, "history.html.j2", baselines=[], checks=checks)
        return made.files["history.html"].decode().partition("</h1>")[2]

    rows = [["a", "", "ok", "1.01", ""], ["b", "", "regressed", "1.31", ""]]
    opening = page([("mi-gate, infogan", None, rows)]).lstrip()
    assert opening.startswith("<p>The newest check says: regressed (mi-gate, infogan).")
    assert page([]).lstrip().startswith("<p>No check is committed here, so this page cannot say.")


def test_the_workflow_makes_the_site_and_deploys_it() -> None:
    workflow = yaml.safe_load((site.ROOT / "docs" / "ci-site.yml").read_text())
    steps = workflow["jobs"]["deploy"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["make site"]
    used = [step["uses"].partition("@")[0] for step in steps if "uses" in step]
    assert used[-2:] == ["actions/upload-pages-artifact", "actions/deploy-pages"]
    assert next(step for step in steps if "upload-pages" in step.get("uses", ""))["with"] == {"path": "site"}
    assert workflow["permissions"] == {"contents": "read", "pages": "write", "id-token": "write"}


@pytest.mark.slow
def test_every_link_of_the_whole_site_resolves() -> None:
    files = site.build()
    assert sum(map(len, files.values())) < MAX_BYTES
    broken = []
    pages = {path: unescape(content.decode()) for path, content in files.items() if path.endswith(".html")}
    anchors = {path: set(re.findall(r'id="([^"]+)"', text)) for path, text in pages.items()}
    documents = {"README.html", "docs/index.html", "docs/RESULTS.html", "docs/results/figure-4.html"}
    assert documents | {"index.html", "history.html"} <= set(pages)
    assert len([path for path in pages if path.startswith("results/reference/")]) >= 10
    relative = re.compile(r'(?:href|src)="(?!data:|https?:)([^"]*)"')
    for path, text in pages.items():
        assert "default-src 'none'" in text, path
        for target in relative.findall(text):
            name, _, anchor = target.partition("#")
            wanted = site.posixpath.normpath(site.posixpath.join(site.posixpath.dirname(path), name)) if name else path
            if wanted not in files or (anchor and anchor not in anchors.get(wanted, set())):
                broken.append(f"{path}: {target}")
    assert broken == []
    assert "Do InfoGAN's claims hold? " in pages["index.html"]
