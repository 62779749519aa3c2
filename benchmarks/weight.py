"""What a page costs its reader: bytes, requests, and how long the browser's main thread is busy with it.

``python -m benchmarks.weight FOLDER [--name NAME] [--pages PAGE ...] [--widths PIXELS ...] [--modes MODE ...]`` serves
a built book, opens its pages in Chromium with the processor slowed down, and writes a row a page, width and mode into
``benchmarks/weight.csv``, in place of those of that name.
Busy is the time of the main thread on its processor, so that other work on the machine does not count.
"""

import argparse
import functools
import http.server
import os
import shutil
import sys
import threading
from pathlib import Path

import pandas as pd
from playwright.sync_api import Browser, sync_playwright

TABLE = Path(__file__).with_name("weight.csv")
SLOWER = 4  # times
SETTLED = 1500  # milliseconds without a request, after which a page is taken to be done
PLACES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
TO_THE_END = """async () => {
  for (let y = 0; y < document.body.scrollHeight; y += 600) {
    scrollTo(0, y);
    await new Promise(done => setTimeout(done, 150));
  }
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *words) -> None:
        pass


def pages(folder: Path) -> list[str]:
    """The pages of a built book, without its listings of sources."""
    return sorted(p.relative_to(folder).as_posix() for p in [*folder.glob("*.html"), *folder.glob("notebooks/*.html")])


def measured(browser: Browser, home: str, page: str, width: int = 1280, mode: str = "light") -> dict:
    """A page's bytes and requests until it is at rest, and the seconds its main thread is busy: at the start, and when
    a reader has gone down to the end."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=mode)
    tab = context.new_page()
    session = context.new_cdp_session(tab)
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    for method, given in (
        ("Network.enable", {}),
        ("Performance.enable", {"timeDomain": "threadTicks"}),
        ("Emulation.setCPUThrottlingRate", {"rate": SLOWER}),
    ):
        session.send(method, given)

    def busy() -> float:
        return {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}["TaskDuration"]

    tab.goto(f"{home}/{page}", wait_until="networkidle", timeout=120_000)
    tab.wait_for_timeout(SETTLED)
    found = {"kilobytes": round(sum(sizes) / 1000), "requests": len(sizes), "busy": round(busy(), 2)}
    tab.evaluate(TO_THE_END)
    tab.wait_for_timeout(SETTLED)
    found |= {"kilobytes at the end": round(sum(sizes) / 1000), "busy at the end": round(busy(), 2)}
    context.close()
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weight", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="pages of a built book, build/_build/html")
    parser.add_argument("--name", default="present", help="of the rows in the table")
    parser.add_argument("--pages", nargs="+", metavar="PAGE", help="of the folder; default: all")
    parser.add_argument("--widths", nargs="+", type=int, default=[1280], metavar="PIXELS", help="of the window")
    parser.add_argument("--modes", nargs="+", choices=("light", "dark"), default=["light"], help="of the colours")
    options = parser.parse_args(arguments)
    if not (options.folder / "index.html").exists():
        parser.error(f"{options.folder} holds no index.html; build the book first, with: make book")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PLACES)), None)
    if not found:
        parser.error("there is no Chromium; install one, or set CHROMIUM to its path")
    handler = functools.partial(Quiet, directory=str(options.folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=found, args=FLAGS)
        home = f"http://127.0.0.1:{server.server_port}"
        rows = [
            {"name": options.name, "page": n, "width": width, "mode": mode} | measured(browser, home, n, width, mode)
            for n in options.pages or pages(options.folder)
            for width in options.widths
            for mode in options.modes
        ]
        browser.close()
    server.shutdown()
    old = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=["name"])
    table = pd.concat([old[old.name != options.name], pd.DataFrame(rows)], ignore_index=True)
    table.to_csv(TABLE, index=False)
    print(table[table.name == options.name].to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
