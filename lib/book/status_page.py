"""The page of all runs: what each is, where and how long it ran, its code and versions."""

from lib import claims
from lib.book import in_order, markup
from lib.book.run_records import RunRecord
from lib.study.report import badge


def status(chapters: list[RunRecord], records_: list[RunRecord], asked: list[RunRecord]) -> str:
    """A block a run: what it is, where and how long it ran, the code and the versions."""
    head = ("run", "data, preset, device, seeds", "seconds", "memory", "code", "versions")
    rows = [run.described() for run in [*chapters, *records_, *asked]]
    missing = sorted({c.study for c in in_order.all_claims()} - {run.study for run in chapters})
    rows += [(name, badge(claims.NOT_RUN), *[""] * 4) for name in missing]
    return markup.raw(markup.table(head, rows, "runs"))
