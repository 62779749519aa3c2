"""Sweeps: one study over a grid of parameters, as a table, a chart and a page."""

import html
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import vl_convert

from lib import claims
from lib.book import judged, markup, run_records
from lib.figures import charts
from lib.study import kept, page


@dataclass(frozen=True)
class Sweep:
    """A sweep file: study, preset, grid (parameter to its values), runs (their ids)."""

    name: str
    content: dict

    @property
    def page(self) -> str:
        return f"runs/sweep-{self.name}"

    @property
    def title(self) -> str:
        return "Sweep " + " ".join(f"{k}={markup.words(v)}" for k, v in self.content["grid"].items())

    @property
    def swept(self) -> list[str]:
        """The swept parameters."""
        return list(self.content["grid"])

    def table(self) -> pd.DataFrame:
        """A row a run and claim: swept parameters, claim, effect, low, high, seeds, verdict, mark, run."""
        owner, rows = self.content["study"], []
        for run_id in self.content["runs"]:
            run = run_records.RunRecord(owner, run_records.RESULTS / "runs" / owner / run_id, "asked for")
            if not (run.folder / "provenance.json").exists():
                rows.append({"verdict": claims.NOT_RUN, "run": run_id})
                continue
            values = {name: run.provenance["params"][name] for name in self.swept}
            judged = run.claims[run.claims["source"] == "run"]
            columns = ["claim", "effect", "low", "high", "seeds", "verdict", "mark", "run"]
            rows += [values | row for row in judged.reindex(columns=columns).to_dict("records")]
        return pd.DataFrame(rows).convert_dtypes()

    def files(self, chapters: dict[str, run_records.RunRecord], asked: list[run_records.RunRecord]) -> dict[str, bytes]:
        """The sweep's page, its table as CSV and its chart as a still picture."""
        table, base = self.table(), f"_static/sweeps/{self.name}"
        linked = {run.id: f"../{run.page}" for run in asked}
        linked |= {run.id: f"../notebooks/{run.study}" for run in chapters.values()}
        rows = [self._row(row, linked) for row in table.astype(object).to_dict("records")]
        head = (*map(html.escape, self.swept), "claim", "effect", "95 % interval", "seeds", "verdict", "run")
        figure, files = self._chart(table, base)
        text = (
            f"# {html.escape(self.title)}\n\nStudy {html.escape(self.content['study'])}, preset "
            f"{html.escape(self.content['preset'])}, "
            f"{len(self.content['runs'])} runs; a row is a run and a claim.\n\n"
            f"{markup.raw(markup.table(head, rows, 'sweep'))}\n\n{figure}\n"
        )
        return files | {f"{self.page}.md": text.encode(), f"{base}.csv": table.to_csv(index=False).encode()}

    def _row(self, row: dict, linked: dict[str, str]) -> tuple[str, ...]:
        link = linked.get(row["run"])
        run = html.escape(row["run"])
        name = f'<a href="{html.escape(link)}.html">{run}</a>' if link else run
        if row["verdict"] == claims.NOT_RUN:
            return (*[""] * (len(self.swept) + 4), judged.verdict(row), name)
        ends = "none" if pd.isna(row["low"]) else f"{markup.number(row['low'])} to {markup.number(row['high'])}"
        values = [html.escape(str(row[s])) for s in self.swept]
        claim = html.escape(row["claim"])
        claim = f'<a href="../scoreboard.html#{claim}">{claim}</a>'
        return (*values, claim, markup.number(row["effect"]), ends, str(int(row["seeds"])), judged.verdict(row), name)

    def _chart(self, table: pd.DataFrame, base: str) -> tuple[str, dict[str, bytes]]:
        """Effect against the swept parameter with most values, a block a claim, a colour a value of the next one."""
        if "effect" not in table or table.effect.isna().all():
            return "*No run of this sweep has judged a claim.*", {}
        data = table.dropna(subset="effect")
        x, *others = sorted(self.swept, key=lambda s: -data[s].nunique())
        last = data.iloc[-1]
        text = f"{len(data)} effects against {x}; {last.claim} is {last.effect:.2f} at {x}={last[x]}."
        thresholds = {c.id: c.threshold for c in claims.known().values()}
        chart = charts.sweep(data.assign(threshold=data.claim.map(thresholds)), x, others[0] if others else "claim")
        caption = (
            f"Effect and interval of every claim against {x}; the dashed line is the claim's threshold."
            f'<br><small class="links"><a href="../{base}.csv">data (CSV)</a></small>'
        )
        body = page.live(chart, "sweep", text, f"../{base}.svg")
        return markup.figure("sweep", body, caption), {
            f"{base}.svg": vl_convert.vegalite_to_svg(chart.to_dict()).encode()
        }


def load(path: Path) -> Sweep:
    """The sweep of a file ``results/runs/sweeps/<name>.json``."""
    return Sweep(path.stem, kept.sweep(path))


def on_this_machine() -> list[Sweep]:
    """Every sweep of this machine."""
    return [load(path) for path in sorted(run_records.RESULTS.glob("runs/sweeps/*.json"))]
