# data -> encoders -> studies -> results -> book.  Called by lib/book/make.py (see the Makefile); the same file serves a
# cluster.  Every result's path holds a hash of all it depends on, so what is missing is what is stale: what is there
# asks for no input, and encoders and studies are compared by name, never by time.  Only the book goes by time.
import sys
from pathlib import Path

import yaml
from lib.book import cost, failures, jobs, profiles, wanted

PYTHON = sys.executable
BOOK = str(Path(PYTHON).parent / "jupyter-book")
WANTED, JOBS = wanted.requested(config.get("requests"))
RUNS = {run.id: run for run in WANTED}
CURRENT = {run.study: run for run in wanted.quick_runs()}
SITE = ["build/_build/html/index.html", "build/site"]  # the second is written last: pages appear one by one


wildcard_constraints:
    run="[^/]+",
    study="[^/]+",


localrules: book, studies, encoders, data, site  # on a cluster: nodes may see no network, and the site is small


def more(first):
    """What an attempt asks for: twice as much as the one before, which may have lacked it."""
    return lambda wildcards, attempt: first * 2 ** (attempt - 1)


rule book:
    input: SITE


rule studies:
    input: [f"{run.folder}/executed.ipynb" for run in RUNS.values()]


rule encoders:
    input: [f"{unit.folder}/record.json" for units in JOBS for unit in units]


rule data:
    output: "build/data/{name}.json"
    resources: mem_mb=2000, runtime=60
    shell: "{PYTHON:q} -m lib.book.make data {wildcards.name:q} {output:q}"


for number, units in enumerate(JOBS):
    first = units[0].settings

    rule:
        name: f"encoders_{number}"
        input: f"build/data/{jobs.source(first)}.json", wanted.bases(units)
        output: [update(f"{unit.folder}/record.json") for unit in units]  # a second attempt keeps what the first made
        log: f"{failures.LOGS}/{units[0].folder.name}.log"
        params:
            units=[unit.to_json() for unit in units],
            trainer=jobs.trainer(units),
        threads: jobs.processes(units)
        resources:
            mem_mb=more(cost.memory(units)),
            gpu=profiles.gpus() if cost.on_gpu(units) else 0,
            runtime=cost.minutes(units),
        shell:
            "printf '%s\\n' {params.units:q} > {log:q}.units &&"
            " {PYTHON:q} -m {params.trainer} --threads 1 {log:q}.units 2>&1 | tee {log:q}"


rule study:
    input: lambda w: [] if RUNS[w.run].done else [f"{unit.folder}/record.json" for unit in RUNS[w.run].own]
    output:
        "results/runs/{study}/{run}/executed.ipynb",
        "results/runs/{study}/{run}/results.csv",
        "results/runs/{study}/{run}/claims.csv",
        "results/runs/{study}/{run}/provenance.json",
    log: f"{failures.LOGS}/{{study}}-{{run}}.log"
    params: values=lambda w: yaml.safe_dump(RUNS[w.run].values)
    threads: 1
    resources: mem_mb=more(8000), runtime=more(120)
    shell:
        """
        say() {{ printf 'study %s, run %s: %s\n' {wildcards.study:q} {wildcards.run:q} "$1" | tee -a {log:q} >&2; }}
        say executing
        mkdir -p build/executing
        export BOOK_RUN={wildcards.run:q}
        export PYTHONWARNINGS='ignore:the file is not specified'  # papermill, of a notebook that comes by a pipe
        {PYTHON:q} -m jupytext --quiet --to ipynb --output - notebooks/{wildcards.study}.py |
          {PYTHON:q} -m papermill --log-level ERROR --no-progress-bar -k python3 -y {params.values:q} - \
            build/executing/{wildcards.run}.ipynb
        {PYTHON:q} -m lib.records {output[3]:q} build/executing/{wildcards.run}.ipynb executed.ipynb
        say "executed in $SECONDS s"
        """


rule site:
    input:
        [f"{run.folder}/executed.ipynb" for run in CURRENT.values()],
        wanted.site_files(),
    output: SITE
    params: current=[f"--current={run.study}={run.folder}" for run in CURRENT.values()]
    threads: 1
    retries: 0
    resources: mem_mb=2000, runtime=30
    shell:
        """
        echo 'site: building' >&2
        rm -rf build/_build/html/runs  # Sphinx keeps the page of a run that is gone
        {PYTHON:q} -m lib.book.site {params.current:q} --out build/source
        {BOOK:q} build build/source --path-output build --warningiserror --nitpick --keep-going --quiet
        echo $SECONDS > {output[1]}
        echo "site: built in $SECONDS s" >&2
        """
