"""The archive, and how the book is cited: the same file each time, whole, and nothing in it that was made up."""

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import yaml
from rocrate.rocrate import ROCrate
from small_book import STUDY, make_run

from lib import records, study
from lib.book import address, archive, citation, run_records
from lib.encoders.store import STORE
from lib.hashing import ROOT

CFF = yaml.safe_load((ROOT / "CITATION.cff").read_text())
PAPERS = {"maity2024", "detailsmatter2022", "nguyen2026", "wang2020", "matthes2023"}


def valid(schema: str, path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def written(tmp_path, monkeypatch) -> tuple[Path, list[run_records.RunRecord]]:
    """A site of one page and a run that it shows, beside the present commit."""
    run = run_records.RunRecord(STUDY, make_run(tmp_path / f"runs/{STUDY}/quick-1"), "this book")
    html = tmp_path / "html"
    for name, text in {"index.html": "a page", f"{run.static}/results.csv": "quantity,value\n"}.items():
        (html / name).parent.mkdir(parents=True, exist_ok=True)
        (html / name).write_text(text)
    monkeypatch.setattr(archive, "HTML", html)
    monkeypatch.setattr(archive, "FOLDER", tmp_path / "archive")
    monkeypatch.setattr(records, "git_state", lambda: {"commit": head(), "dirty": False})
    for name in ("GITHUB_REPOSITORY", "SOURCE_DATE_EPOCH"):
        monkeypatch.delenv(name, raising=False)
    return html, [run]


def head() -> str:
    return records.git("rev-parse", "HEAD").decode().strip()


def test_the_archive_is_the_same_twice_and_its_sums_are_right(written, tmp_path):
    html, runs = written
    first = archive.write(runs)
    before = first.read_bytes()
    for path in html.rglob("*"):
        os.utime(path, (1, 1))
    assert archive.write(runs).read_bytes() == before
    with tarfile.open(first) as tar:
        owners = {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in tar}
        tar.extractall(tmp_path / "out", filter="data")
    assert owners == {(0, 0, "", "", int(records.git("log", "-1", "--format=%ct")))}
    (folder,) = (tmp_path / "out").iterdir()
    assert folder.name == f"harms-and-geometry-{CFF['version']}-{head()[:10]}"
    checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True)
    assert checked.returncode == 0, checked.stdout
    named = {line.split("  ", 1)[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert named == there - {"SHA256SUMS"}
    tracked = records.git("ls-tree", "-r", "--name-only", "-z", "HEAD").decode().split("\0")[:-1]
    assert {f"sources/{name}" for name in tracked} | {"site/index.html"} <= there
    assert os.access(folder / "sources/.ci/run", os.X_OK) and not os.access(folder / "sources/Makefile", os.X_OK)
    assert gzip.decompress(before)[:100].rstrip(b"\0").decode().startswith(folder.name)


def test_the_crate_tells_each_run_by_its_record(written):
    _, runs = written
    with tarfile.open(archive.write(runs)) as tar:
        (member,) = [m for m in tar if m.name.endswith("ro-crate-metadata.json")]
        read = ROCrate(json.load(tar.extractfile(member)))
        names = {m.name.partition("/")[2] for m in tar}
    assert read.root_dataset["conformsTo"].id == "https://w3id.org/ro/wfrun/process/0.5"
    actions = {a.id: a for a in read.root_dataset["mentions"]}
    recorded = sorted(path.parent for path in ROOT.glob("results/recorded/*/*/provenance.json"))
    assert set(actions) == {f"#run-{p.parent.name}-{p.name}" for p in recorded} | {f"#run-{STUDY}-quick-1"}
    for folder in recorded:
        record = json.loads((folder / "provenance.json").read_text())
        action = actions[f"#run-{folder.parent.name}-{folder.name}"]
        assert action.type == "CreateAction" and action["startTime"][:19] == record["started"][:19]
        assert action["instrument"].id == f"sources/notebooks/{folder.parent.name}.py"
        assert {value["name"]: value["value"] for value in action["object"]} == record["params"]
        kept = {p.relative_to(ROOT).as_posix() for p in folder.iterdir()}
        assert {result.id for result in action["result"]} == {f"sources/{name}" for name in kept}
    files = {e.id for e in read.data_entities if not e.id.endswith("/")}
    assert files <= names, "the crate names a file that the archive lacks"


def test_an_archive_of_uncommitted_changes_is_refused(monkeypatch):
    for state in ({"commit": "a" * 40, "dirty": True}, {"commit": None, "dirty": None}):
        monkeypatch.setattr(records, "git_state", lambda state=state: state)
        with pytest.raises(ValueError, match="commit the changes of this tree"):
            archive.committed()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ValueError, match="SOURCE_DATE_EPOCH='yesterday': write whole seconds"):
        archive.time_of("HEAD")


def test_what_is_packed_does_not_depend_on_the_order_of_files():
    files = {"b": b"2", "a/c": b"1"}
    one, other = (archive.packed("x", dict(items), {"b"}, 5) for items in (files.items(), reversed(files.items())))
    assert one == other
    with tarfile.open(fileobj=io.BytesIO(one)) as tar:
        assert [(m.name, m.mode, m.mtime) for m in tar] == [("x/a/c", 0o644, 5), ("x/b", 0o755, 5)]
    assert archive.sums(files).decode().splitlines()[0] == f"{hashlib.sha256(b'1').hexdigest()}  a/c"


def test_the_citation_file_is_valid_and_of_this_version():
    valid("citation-file-format", ROOT / "CITATION.cff")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert str(CFF["version"]) == project["version"]
    assert [a["name"] for a in CFF["authors"]] == [a["name"] for a in project["authors"]]


def test_the_five_papers_are_cited_as_the_bibliography_has_them():
    """Titles, years and authors come from the book's own bibliography, and it has no more of them."""
    bib = (ROOT / "book/references.bib").read_text()
    entries = {m[1]: m[2] for m in re.finditer(r"@\w+\{(\w+),\n(.*?)\n\}", bib, re.S)}
    fields = {key: dict(re.findall(r"(\w+)\s*=\s*\{(.*?)\},?$", entries[key], re.M)) for key in PAPERS}
    cited = {work["title"]: work for work in CFF["references"]}
    assert len(CFF["references"]) == 5 and set(cited) == {f["title"] for f in fields.values()}
    for known in fields.values():
        work = cited[known["title"]]
        assert str(work["year"]) == known["year"]
        names = [re.sub(r" (III),", r", \1,", citation.name(a)) for a in work["authors"]]
        assert " and ".join(names) == known["author"].strip("{}")
        assert work["url"] in known.get("url", "") + known.get("note", "")


def test_zenodo_says_what_the_citation_file_says(monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/fork")
    assert (ROOT / ".zenodo.json").read_text() == citation.text(), "run `make readme`"
    kept = json.loads((ROOT / ".zenodo.json").read_text())
    assert (kept["title"], kept["version"], kept["keywords"]) == (CFF["title"], CFF["version"], CFF["keywords"])
    assert kept["publication_date"] == CFF["date-released"] and kept["license"] in CFF["license"]
    assert [c["name"] for c in kept["creators"]] == [a["name"] for a in CFF["authors"]]
    assert [r["identifier"] for r in kept["related_identifiers"]] == [w["url"] for w in CFF["references"]]
    assert all(w["title"] in line for w, line in zip(CFF["references"], kept["references"], strict=True))


def test_the_address_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/fork")
    assert citation.cited()["repository-code"] == "https://github.com/somebody/fork"
    of_fork = citation.zenodo(citation.cited())["related_identifiers"][-1]
    assert of_fork == {"identifier": address.repository(), "relation": "isSupplementTo", "scheme": "url"}
    monkeypatch.delenv("GITHUB_REPOSITORY")
    assert "repository-code" not in citation.cited() and address.repository() == "" == address.contest("harms-1")
    for name, value in {"GITHUB_REPOSITORY": "x", "GITHUB_SERVER_URL": "http://a b"}.items():
        monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/fork")
        monkeypatch.setenv(name, value)
        with pytest.raises(ValueError, match=f"{name}='{value}': write"):
            address.repository()
        monkeypatch.delenv(name)


def test_the_files_for_github_are_valid_and_run_what_make_has():
    workflow = ROOT / ".github/workflows/book.yml"
    valid("github-workflows", workflow)
    steps = [step for job in yaml.safe_load(workflow.read_text())["jobs"].values() for step in job["steps"]]
    typed = re.findall(r"^make (\w+)", "\n".join(step.get("run", "") for step in steps), re.M)
    targets = re.findall(r"^([\w .]+):", (ROOT / "Makefile").read_text(), re.M)
    assert {"test", "book", "archive"} <= set(typed) <= set(" ".join(targets).split())
    (cached,) = [step["with"] for step in steps if step.get("uses", "").startswith("actions/cache@")]
    assert cached["path"].split() == [str(STORE), str(study.RUNS)]
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["postCreateCommand"] == "make setup"


def test_every_claim_can_be_contested(monkeypatch):
    """The form is valid, and the address opens it with the claim filled in."""
    form = ROOT / ".github/ISSUE_TEMPLATE" / address.FORM
    valid("github-issue-forms", form)
    fields = {field["id"]: field for field in yaml.safe_load(form.read_text())["body"] if "id" in field}
    assert fields["claim"]["validations"]["required"] and "validations" not in fields["reply"]
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/fork")
    page, _, query = address.contest("harms-1").partition("?")
    assert page == "https://github.com/somebody/fork/issues/new"
    assert parse_qs(query) == {"template": [form.name], "title": ["Contest harms-1"], "claim": ["harms-1"]}
