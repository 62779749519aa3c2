"""The book as one file that can be deposited: ``make archive`` writes ``build/archive/NAME.tar.gz``.

It holds ``sources`` (the files of HEAD, runs of record among them), ``site`` (the built pages with the downloads of the
runs that they show), citation, a Process Run Crate, and ``SHA256SUMS`` of them all.  Names are sorted, times are the
commit's, and owners are left out: from the same commit and site it is the same file, byte for byte.
"""

import gzip
import hashlib
import importlib
import io
import json
import os
import tarfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from lib import records, study
from lib.book import citation, in_order, run_records
from lib.encoders.recorded import FILE
from lib.study import kept

FOLDER = Path("build/archive")
HTML = Path("build/_build/html")
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
LICENCES = "https://spdx.org/licenses"
CRATE, SUMS = "ro-crate-metadata.json", "SHA256SUMS"
KEPT = ("results.csv", "claims.csv", "provenance.json", FILE)
Files = dict[str, bytes]  # of the archive, by their path in it


def write(current: Iterable[study.Run]) -> Path:
    """Write the archive of HEAD and of the site that shows the runs, and return its path.

    ValueError: the tree is no git checkout, or has changes that are not committed.
    """
    commit = committed()
    sources, programs = _sources(commit)
    files = {f"sources/{name}": content for name, content in sources.items()}
    files |= {f"site/{p.relative_to(HTML).as_posix()}": p.read_bytes() for p in HTML.rglob("*") if p.is_file()}
    cff = citation.cited()
    files[citation.SOURCE] = yaml.safe_dump(cff, sort_keys=False, allow_unicode=True).encode()
    files[citation.ZENODO] = _json(citation.zenodo(cff))
    shown = [run_records.RunRecord(run.study, run.folder, "this book") for run in current]
    files[CRATE] = _json(crate(files, [*shown, *run_records.recorded()], cff))
    files[SUMS] = sums(files)
    name = f"harms-and-geometry-{cff['version']}-{commit[:10]}"
    path = FOLDER / f"{name}.tar.gz"
    with records.atomic(path) as temporary:
        temporary.write_bytes(packed(name, files, {f"sources/{program}" for program in programs}, time_of(commit)))
    return path


def committed() -> str:
    """The commit at HEAD; ValueError where it is not all that the tree holds."""
    state = records.git_state()
    if state["dirty"] or not state["commit"]:
        raise ValueError("the archive is made from a commit: commit the changes of this tree (`git status` lists them)")
    return state["commit"]


def time_of(commit: str) -> int:
    """Seconds since 1970 that every file of the archive carries: SOURCE_DATE_EPOCH, or the commit's own."""
    text = os.environ.get("SOURCE_DATE_EPOCH") or records.git("log", "-1", "--format=%ct", commit).decode().strip()
    if not text.isdecimal():
        raise ValueError(f"SOURCE_DATE_EPOCH={text[:20]!r}: write whole seconds since 1970, or leave it out")
    return int(text)


def packed(name: str, files: Files, programs: set[str], seconds: int) -> bytes:
    """A gzipped tar of the files in a folder of that name; the programs among them can be executed."""
    out = io.BytesIO()
    with gzip.GzipFile("", "wb", 6, out, mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for path in sorted(files):
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size, entry.mtime, entry.mode = len(files[path]), seconds, 0o755 if path in programs else 0o644
            tar.addfile(entry, io.BytesIO(files[path]))
    return out.getvalue()


def sums(files: Files) -> bytes:
    """What ``sha256sum --check`` reads: a line a file."""
    return "".join(f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files)).encode()


def crate(files: Files, runs: list[run_records.RunRecord], cff: dict) -> dict:
    """The metadata of a Process Run Crate: each run an action, by its study's notebook, from parameters to tables."""
    made = importlib.import_module("rocrate.rocrate").ROCrate(version="1.1")
    root = made.root_dataset
    agent = _entity(made, "#authors", "Organization", name=citation.name(cff["authors"][0]))
    version = PROFILE.rpartition("/")[2]
    root["conformsTo"] = _entity(made, PROFILE, "CreativeWork", name="Process Run Crate", version=version)
    root["name"], root["description"], root["datePublished"] = cff["title"], cff["abstract"], cff["date-released"]
    root["version"], root["keywords"], root["author"] = cff["version"], cff["keywords"], agent
    root["license"] = [_entity(made, f"{LICENCES}/{name}", "CreativeWork", name=name) for name in cff["license"]]
    for folder, text in {"sources/": "source files of the commit", "site/": "the built book"}.items():
        made.add_dataset(dest_path=folder, properties={"name": folder.strip("/"), "description": text})
    notebooks = {name: made.add_file(dest_path=path, properties=about) for name, path, about in _notebooks(runs, files)}
    for run in runs:
        root.append_to("mentions", _action(made, run, notebooks[run.study], agent, files))
    return made.metadata.generate()


def _notebooks(runs: list[run_records.RunRecord], files: Files) -> Iterable[tuple[str, str, dict]]:
    """Study, path and properties of the notebook of each study that was run."""
    for name in sorted({run.study for run in runs}):
        path = f"sources/notebooks/{name}.py"
        about = {
            "@type": ["File", "SoftwareSourceCode"],
            "name": in_order.title(name),
            "encodingFormat": "text/x-python",
        }
        yield name, path, about | {"contentSize": str(len(files[path]))}


def _action(made, run: run_records.RunRecord, notebook, agent, files: Files):
    """The run as an action of the crate."""
    about, results = kept.provenance(run.folder), []
    folder = f"sources/results/recorded/{run.study}/{run.id}" if run.kind == "recorded" else f"site/{run.static}"
    for name in (f"{run.study}.ipynb", *KEPT):
        if (path := f"{folder}/{name}") in files:
            size = {"name": f"{name} of the run {run.id}", "contentSize": str(len(files[path]))}
            results.append(made.add_file(dest_path=path, properties=size))
    given = [
        _entity(made, f"#{run.study}-{run.id}-{p}", "PropertyValue", name=p, value=v)
        for p, v in about["params"].items()
    ]
    start = datetime.fromisoformat(about["started"]).astimezone(UTC)
    words = {"name": f"Run {run.id} of {run.study}", "description": f"{run.face}; code {about['git']['commit']}"}
    words |= {"startTime": start.isoformat(), "endTime": (start + timedelta(seconds=about["seconds"])).isoformat()}
    action = made.add_action(notebook, f"#run-{run.study}-{run.id}", given, results, words)
    action["agent"] = agent
    return action


def _entity(made, identifier: str, kind: str, **properties):
    """Something that the crate speaks of and does not hold."""
    entity = importlib.import_module("rocrate.model").ContextEntity
    return made.add(entity(made, identifier, {"@type": kind, **properties}))


def _sources(commit: str) -> tuple[Files, set[str]]:
    """The files of a commit, and which of them are programs."""
    with tarfile.open(fileobj=io.BytesIO(records.git("archive", "--format=tar", commit))) as tar:
        members = [member for member in tar if member.isfile()]
        return {m.name: tar.extractfile(m).read() for m in members}, {m.name for m in members if m.mode & 0o100}


def _json(value: dict) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
