"""The built book in a browser: no other host asked, nothing broken, and every kind of chart answers the pointer.

The whole book where it was built and nothing has changed since; else the small one of ``small_book``.
"""

import functools
import http.server
import io
import math
import os
import re
import shutil
import threading
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib import claims
from lib.figures.cifar10_undersampling import NULL

STUDY = "notebooks/cifar10_undersampling.html"
THEORY = "notebooks/sbm_theory.html"
PLACES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
DARK = "html[data-theme=dark]"

# Every drawn item of a Vega SVG carries the datum it stands for.
MARKS = """([figure, kind]) => [...document.querySelectorAll(`#fig-${figure} .${kind}.role-mark path`)].map(e => {
  const item = [e.__data__].flat()[0], style = getComputedStyle(e);
  return {datum: {...item.datum}, opacity: +style.opacity * +(e.getAttribute('fill-opacity') ?? 1),
          stroke: e.getAttribute('stroke'), width: +(e.getAttribute('stroke-width') ?? 0)};
})"""
SHOWN = """() => {
  const all = selector => [...document.querySelectorAll(selector)], charts = all('.chart > [id^=chart-]');
  return {'charts': charts.length, 'formulas': all('.math math').length,
          'empty charts': charts.filter(e => !e.querySelector('svg .role-mark path')).length,
          'bare mathematics': all('.math:not(:has(math))').length,
          'no alt text': all("img:not([alt]), img[alt='']").length};
}"""
CONTRAST = """(figure) => {
  const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const linear = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const weights = [.2126, .7152, .0722];
  const light = c => weights.reduce((total, w, i) => total + w * linear(rgb(c)[i] / 255), 0);
  const texts = ['axis-label', 'title-text'].map(role => `#fig-${figure} .role-${role} text`).join();
  return [...document.querySelectorAll(texts)].map(e => {
    let p = e, ground = 'rgba(0, 0, 0, 0)';
    while (p && rgb(ground)[3] === 0) { ground = getComputedStyle(p).backgroundColor; p = p.parentElement; }
    const [a, b] = [light(getComputedStyle(e).fill), light(ground)].sort((x, y) => y - x);
    return (a + .05) / (b + .05);
  });
}"""

# Marks one element of every colour, size and weight of text on every ground, and says which these are beside the known.
KINDS_OF_TEXT = """(known) => {
  const seen = new Set(known), grounds = new Map([[null, '']]);
  const ground = e => {
    if (!grounds.has(e)) {
      const s = getComputedStyle(e), own = [s.backgroundImage, s.backgroundColor, s.opacity].join(' ');
      grounds.set(e, ground(e.parentElement) + (own === 'none rgba(0, 0, 0, 0) 1' ? '' : `/${own}`));
    }
    return grounds.get(e);
  };
  for (const e of document.body.querySelectorAll('*')) {
    delete e.dataset.kindOfText;
    if (![...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim()) || !e.checkVisibility()) continue;
    const s = getComputedStyle(e), kind = [s.color, s.fontSize, s.fontWeight, ground(e)].join();
    if (!seen.has(kind)) e.dataset.kindOfText = '';
    seen.add(kind);
  }
  return [...seen].slice(known.length);
}"""

# Words of tables that stand on two lines, formulas with an end that no scrolling reaches, and formulas over their edge.
BROKEN = """() => {
  const broken = node => [...node.data.matchAll(/[\\w.]+/g)].filter(word => {
    const range = document.createRange();
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    return new Set([...range.getClientRects()].map(r => Math.round(r.top))).size > 1;
  }).map(word => word[0]);
  const words = [];
  for (const cell of document.querySelectorAll('.scroll :is(td, th)')) {
    if (!cell.checkVisibility()) continue;
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) words.push(...broken(texts.currentNode));
  }
  const cut = [...document.querySelectorAll('div.math')].filter(box => {
    const formula = box.querySelector('math').getBoundingClientRect(), edge = box.getBoundingClientRect().left;
    return formula.left < edge - 1 || formula.right - edge > box.scrollWidth + 1;
  });
  const squeezed = [...document.querySelectorAll('span.math > math')].filter(formula => {
    const ends = [...formula.querySelectorAll('*')].map(e => e.getBoundingClientRect().right);
    return formula.checkVisibility() && Math.max(...ends) > formula.getBoundingClientRect().right + 2;
  });
  return [...words, ...[...cut, ...squeezed].map(e => e.textContent.trim().slice(0, 30))];
}"""

FIT = """() => [...document.querySelectorAll('.chart')].map(chart => {
  const svg = chart.querySelector('svg.marks').getBoundingClientRect(), box = chart.getBoundingClientRect();
  return [chart.closest('figure').id, svg.left >= box.left - 1 && svg.right <= box.right + 1, +chart.dataset.shrunk];
})"""

TABLES = """() => [...document.querySelectorAll('article table')].filter(t => t.offsetParent).map(t => {
  const box = t.closest('.scroll'), first = t.querySelector('tbody td, tbody th');
  return [!!box && box.tabIndex === 0, first ? getComputedStyle(first).position : 'sticky',
          [...t.querySelectorAll('th')].filter(h => !h.textContent.trim()).length];
})"""
WIDTH = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
BOARDS = "[...document.querySelectorAll('.scroll:has(> .board)')].filter(e => e.scrollWidth > e.clientWidth).length"
ASKED = {"shown": SHOWN, "broken": BROKEN, "fit": FIT, "tables": TABLES, "width": WIDTH, "boards": BOARDS}


@pytest.fixture(scope="session")
def browser():
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PLACES)), None)
    if not found:
        pytest.skip("no Chromium: install one, or set CHROMIUM to its path")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e .[test]")
    with sync_api.sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module", params=["file", "http"])
def home(request, book):
    """The address of the built book, as a folder and as a local server."""
    if request.param == "file":
        yield book.resolve().as_uri()
        return

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(book)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    yield context.new_page()
    context.close()


@pytest.fixture
def study(page, book):
    """The first study's page, its charts drawn."""
    _open(page, f"{book.resolve().as_uri()}/{STUDY}")
    return page


def listings(book: Path) -> list[str]:
    """The listings of sources; what else lies under _static are the theme's templates."""
    return sorted(p.relative_to(book).as_posix() for p in (book / "_static/code").rglob("*.html"))


def written(book: Path) -> list[str]:
    """The pages of the book proper."""
    found = sorted(p.relative_to(book).as_posix() for p in book.rglob("*.html"))
    return [name for name in found if not name.startswith("_static/")]


def _open(page, address: str) -> None:
    page.goto(address, wait_until="load")
    page.evaluate("async () => { await window.bookCharts?.all(); }")  # those out of view too


def _table(book: Path, figure: str, name: str = STUDY) -> pd.DataFrame:
    """A figure's data, from the CSV that the page offers."""
    links = (book / name).read_text(encoding="utf-8").split(f'id="fig-{figure}"')[1].split("</figure>")[0]
    path = links.split(f"/{figure}.csv")[0].rsplit('href="', 1)[1]
    return pd.read_csv((book / name).parent / path / f"{figure}.csv")


def _marks(page, figure: str, kind: str) -> pd.DataFrame:
    marks = page.evaluate(MARKS, [figure, kind])
    return pd.DataFrame(
        [m["datum"] | {"_opacity": m["opacity"], "_stroke": m["stroke"], "_width": m["width"]} for m in marks]
    )


def _element(page, figure: str, kind: str, number: int):
    found = page.locator(f"#fig-{figure} .{kind}.role-mark path").nth(number)
    found.scroll_into_view_if_needed()
    return found


def _left(request) -> bool:
    """Whether the browser gave a page's icon up because the page was left."""
    return request.url.endswith("favicon.svg") and request.failure == "net::ERR_ABORTED"


@pytest.fixture(scope="module")
def pages(browser, home, book):
    """Every page, opened once: what it shows, what is amiss on it, and what went wrong.

    As files on a phone, from a server on a wide screen.
    """
    width = 390 if home.startswith("file") else 1280
    context = browser.new_context(viewport={"width": width, "height": 844}, has_touch=width == 390)
    page, troubles = context.new_page(), []
    allowed = (home, "data:", "blob:")
    page.on("request", lambda r: r.url.startswith(allowed) or troubles.append(("request", page.url, r.url)))
    page.on("requestfailed", lambda r: _left(r) or troubles.append(("failed", page.url, r.url)))
    page.on("response", lambda r: r.status < 400 or troubles.append(("status", page.url, r.url)))
    page.on("console", lambda m: m.type != "error" or troubles.append(("console", page.url, m.text)))
    page.on("pageerror", lambda e: troubles.append(("script", page.url, str(e))))
    found = {}
    for name in written(book):
        _open(page, f"{home}/{name}")
        found[name] = {what: page.evaluate(script) for what, script in ASKED.items()}
    _open(page, f"{home}/{listings(book)[0]}")
    context.close()
    return SimpleNamespace(width=width, troubles=troubles, found=found)


def test_pages_ask_no_other_host_and_nothing_breaks(pages):
    shown = {name: found["shown"] for name, found in pages.found.items()}
    words = ("empty charts", "bare mathematics", "no alt text")
    troubles = [(word, name, found[word]) for name, found in shown.items() for word in words if found[word]]
    assert pages.troubles + troubles == []
    assert sum(found["charts"] for found in shown.values()) >= 6
    assert sum(found["formulas"] for found in shown.values()) >= 5


class _Fetched(HTMLParser):
    """What a page makes a browser load or run."""

    def __init__(self, text: str):
        super().__init__()
        self.found = re.findall(r"@import|url\(", text)
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        harmless = {"link": [("rel", "icon"), ("href", "data:,")], "a": [a for a in attrs if a[0] == "href"]}
        known = {"html", "head", "meta", "title", "style", "body", "p", "strong", "pre", "span"}
        if (tag not in known and harmless.get(tag) != attrs) or any(name.startswith("on") for name, _ in attrs):
            self.found.append((tag, attrs))


def test_listings_of_sources_load_and_run_nothing(book):
    """So that one of them stands for all where a browser opens pages."""
    assert len(listings(book)) > 100
    for name in listings(book):
        assert _Fetched((book / name).read_text(encoding="utf-8")).found == [], name


SEARCHES = {
    "minority collapse": "notebooks/minority_collapse.html",
    "clamp": "notebooks/lspread_strata.html",
    "worst group": "notebooks/worst_group.html",
    "SimSiam": "notebooks/methods_and_mitigations.html",
    "temperature": "notebooks/(alignment_uniformity|sbm_theory).html",
    "GRH": "notebooks/bios_gender_harm.html",
    "coreset": "notebooks/label_noise_and_coresets.html",
    "neural collapse": "notebooks/minority_collapse.html",
    "cite": "cite.html",
    "slurm": "rerun.html",
    "harms-1": "scoreboard.html#harms-1",
}


@pytest.mark.parametrize("query", SEARCHES)
def test_a_search_has_the_right_page_first_with_a_snippet(page, home, book, query):
    whole = (book / "notebooks/bios_gender_harm.html").exists()
    if not whole and query not in ("minority collapse", "neural collapse", "clamp", "cite", "slurm", "harms-1"):
        pytest.skip("its page is not in the small book")
    page.goto(f"{home}/search.html?q={query.replace(' ', '+')}")
    page.wait_for_selector("#search-results li a")
    first = page.locator("#search-results li").first
    assert re.fullmatch(SEARCHES[query] + "(#.*)?", first.locator("a").get_attribute("href"))
    assert query.split()[0].lower()[:5] in first.inner_text().lower()


def test_no_page_needs_sideways_scrolling_or_breaks_a_word(pages):
    amiss = [(name, what) for name, found in pages.found.items() for what in found["broken"]]
    amiss += [(name, found["width"]) for name, found in pages.found.items() if found["width"] > pages.width]
    assert amiss + [(name, "board") for name, found in pages.found.items() if found["boards"]] == []


def test_charts_fit_and_stay_readable_on_a_phone_and_a_wide_screen(pages):
    assert _ill_fitted({name: found["fit"] for name, found in pages.found.items()}) == []


def _ill_fitted(found: dict[str, list]) -> list:
    return [(name, *one) for name, charts in found.items() for one in charts if not one[1] or one[2] < 0.85]


@pytest.mark.parametrize("width", [820, 1440])
def test_every_chart_fits_its_column_and_stays_readable(browser, book, width):
    context = browser.new_context(viewport={"width": width, "height": 900})
    page, found = context.new_page(), {}
    for name in written(book):
        if 'class="chart"' in (book / name).read_text(encoding="utf-8"):
            _open(page, f"{book.resolve().as_uri()}/{name}")
            found[name] = page.evaluate(FIT)
    context.close()
    assert _ill_fitted(found) == []


def test_a_chart_of_panels_is_stacked_where_it_is_narrow_and_fitted_anew_where_it_is_wide(page, book):
    page.set_viewport_size({"width": 390, "height": 900})
    _open(page, f"{book.resolve().as_uri()}/notebooks/minority_collapse.html")
    chart = page.locator("#fig-phase .chart")
    assert chart.get_attribute("data-columns") == "1"
    chart.scroll_into_view_if_needed()
    page.set_viewport_size({"width": 1280, "height": 900})
    chart.scroll_into_view_if_needed()  # a chart is drawn anew when it comes into view
    page.wait_for_function("document.querySelector('#fig-phase .chart').dataset.columns === '2'")


def test_panels_without_numbers_on_their_axes_have_none_when_they_are_stacked(page, book):
    page.set_viewport_size({"width": 390, "height": 900})
    _open(page, f"{book.resolve().as_uri()}/notebooks/lspread_strata.html")
    assert page.locator("#fig-map .chart").get_attribute("data-columns") == "1"
    assert page.locator("#fig-map .role-axis-label text").count() == 0


def test_the_front_page_fits_one_screen(page, book):
    _open(page, f"{book.resolve().as_uri()}/index.html")
    for what in ("article h1", "ol.findings li >> nth=0", "article p:has-text('Start here')"):
        box = page.locator(what).first.bounding_box()
        assert box["y"] >= 0, what
        assert box["y"] + box["height"] <= 800, what


def test_pages_load_what_they_use_and_no_more(page, home, book):
    if not home.startswith("http"):
        pytest.skip("sizes are those of a server")
    sizes = {}
    page.on("response", lambda r: sizes.update({r.url.split("?")[0]: len(r.body())}))
    for name, most in (("cite.html", 400_000), ("index.html", 400_000), (STUDY, 2_500_000)):
        sizes.clear()
        page.goto(f"{home}/{name}", wait_until="networkidle")
        assert sum(sizes.values()) <= most, (name, sizes)
        assert not [url for url in sizes if url.endswith("vega.js")]
        stills = [url for url in sizes if url.endswith(".svg") and "/figures/" in url]
        assert len(stills) <= 2, "stills that nobody sees"
        assert not [url for url in sizes if "fontawesome" in url or "mathjax" in url]


def test_a_chart_is_its_still_picture_until_a_pointer_reaches_it(page, book):
    page.goto(f"{book.resolve().as_uri()}/{STUDY}", wait_until="load")
    figure = page.locator("#fig-pairs")
    figure.scroll_into_view_if_needed()
    still = figure.locator("img.still")
    still.wait_for(state="visible")
    assert figure.locator("svg.marks").count() == 0 and not page.evaluate("'vegaEmbed' in window")
    still.hover()
    figure.locator("svg.marks .mark-group").first.wait_for()
    assert not still.is_visible()


def test_sliders_are_shown_when_they_are_asked_for_and_get_the_keyboard(page, book):
    page.goto(f"{book.resolve().as_uri()}/notebooks/minority_collapse.html", wait_until="load")
    button = page.locator("#fig-phase button.move")
    page.locator("#fig-phase").scroll_into_view_if_needed()
    button.wait_for()
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.name === 'pick_step'")
    assert not button.is_visible()


def test_a_still_picture_has_the_ink_of_a_dark_page(browser, book):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{book.resolve().as_uri()}/{STUDY}", wait_until="load")
    still = page.locator("#fig-pairs img.still")
    page.locator("#fig-pairs").scroll_into_view_if_needed()
    still.wait_for(state="visible")
    seen = np.asarray(Image.open(io.BytesIO(still.screenshot())).convert("L"))
    context.close()
    assert np.median(seen) < 40  # the ground
    assert (seen > 180).mean() > 0.005  # words and axes


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_where_the_still_picture_does_not_serve_a_chart_is_drawn_when_it_comes_into_view(browser, book, mode):
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=mode)
    page = context.new_page()
    page.goto(f"{book.resolve().as_uri()}/notebooks/sbm_theory.html", wait_until="load")
    last = page.locator(".chart").last
    assert last.locator("svg").count() == 0
    last.scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('.chart')].at(-1).querySelector('svg .mark-group')")
    context.close()


def test_without_javascript_formulas_stills_and_every_claim_can_be_read(browser, book):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(f"{book.resolve().as_uri()}/{THEORY}")
    text = page.locator("article").inner_text()
    assert "\\frac" not in text and "\\(" not in text and page.locator(".math math").count() > 20
    assert page.locator("#fig-play img.still").is_visible() and not page.locator("#fig-play .chart").is_visible()
    page.goto(f"{book.resolve().as_uri()}/scoreboard.html")
    rows = page.locator("table.board tr[data-paper]")
    assert rows.count() == len(claims.known()) and rows.last.is_visible()
    context.close()


def test_the_scoreboard_begins_with_headline_claims_and_shows_what_is_asked_for(page, book):
    address = f"{book.resolve().as_uri()}/scoreboard.html"
    page.goto(address)
    shown = page.locator("table.board tr[data-paper]:visible")
    every = claims.known()
    assert shown.count() == sum(bool(c.headline) for c in every.values())
    filters, first = page.locator("form.filters").bounding_box(), page.locator("table.board:visible").first
    assert filters["y"] + filters["height"] <= first.bounding_box()["y"]
    page.locator("label", has_text="all claims").click()
    assert shown.count() == len(every)
    page.locator("label", has_text="this book’s").click()
    assert shown.count() == sum(c.whose != "paper" for c in every.values())
    page.locator(".filters input[type=search]").fill("placebo")
    assert 0 < shown.count() < 10
    hidden = next(c.id for c in every.values() if not c.headline)
    page.goto("about:blank")
    page.goto(f"{address}#{hidden}")
    assert (
        page.locator(f"tr#{hidden}").is_visible()
        and page.locator(f"tr#{hidden} details").get_attribute("open") is not None
    )


def test_a_slider_says_where_it_stands_in_the_units_of_its_quantity_and_follows_the_arrow_keys(page, book):
    home = book.resolve().as_uri()
    _open(page, f"{home}/{THEORY}")
    share = page.locator("#fig-play input[name=pick_log2_share]")
    said = page.locator("#fig-play .vega-bind:has(input[name=pick_log2_share]) output")
    _slide(page, "play", "pick_log2_share", -4)
    assert said.inner_text() == "0.0625"
    share.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(200)
    assert said.inner_text() == "0.0629" == share.get_attribute("aria-valuetext")
    assert page.locator("#fig-play .try").inner_text().startswith("make block 1 rarer")
    _open(page, f"{home}/notebooks/minority_collapse.html")
    last = int(_table(book, "phase", "notebooks/minority_collapse.html").step.max())
    _slide(page, "phase", "pick_step", last)
    assert page.locator("#fig-phase output").inner_text().startswith("M = ")
    names = page.locator("label, .vega-bind-name, output").all_inner_texts()
    assert not [name for name in names if "log" in name or re.search(r"\d\.\d{5}", name)]
    apart = page.locator("#fig-circle .vega-bind-radio label").evaluate_all(
        """labels => labels.slice(1).map((label, i) =>
            label.getBoundingClientRect().left - labels[i].getBoundingClientRect().right)"""
    )
    assert min(apart) >= 10


def test_tables_scroll_within_reach_of_the_keyboard_with_their_first_column_in_place(pages):
    for name, found in pages.found.items():
        for reached, position, empty in found["tables"]:
            assert (reached, position, empty) == (True, "sticky", 0), name


def test_every_page_says_what_it_is_once(book):
    for name in written(book):
        head = (book / name).read_text(encoding="utf-8").split("</head>")[0]
        title = re.search(r"<title>(.*?)</title>", head, re.S)[1]
        assert title.count("Harms and geometry of contrastive learning") == 1, name
        assert head.count('name="viewport"') == 1, name
        if name not in ("search.html", "genindex.html", "prf-prf.html"):
            assert head.count('<meta name="description" content="') == 1 and 'property="og:title"' in head, name


def test_axe_finds_no_serious_fault(browser, book):
    """Every rule in the light mode; the dark one has other colours alone.

    Text of the same colour, size and weight on the same ground is measured once.
    """
    Axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install -e .[test]").Axe
    axe = Axe(
        f"{Axe().axe_script}\naxe.configure({{rules: [{{id: 'color-contrast', selector: '[data-kind-of-text]'}}]}})"
    )
    every = {"resultTypes": ["violations"]}
    contrast = every | {"runOnly": ["color-contrast"]}
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page, faults, kinds = context.new_page(), [], []
    for name in written(book):
        page.emulate_media(color_scheme="light")
        _open(page, f"{book.resolve().as_uri()}/{name}")
        page.add_style_tag(content="* { transition: none !important; }")  # no colour on its way from mode to mode
        for mode, options in (("light", every), ("dark", contrast)):
            page.emulate_media(color_scheme=mode)
            page.wait_for_function("mode => document.documentElement.dataset.theme === mode", arg=mode)
            fresh = page.evaluate(KINDS_OF_TEXT, kinds)
            kinds += fresh
            if not fresh and mode == "dark":
                continue
            response = axe.run(page, options=options).response
            assert response["testEngine"]["name"] == "axe-core"
            serious = [v for v in response["violations"] if v["impact"] in ("serious", "critical")]
            faults += [(name, mode, v["id"], v["nodes"][0]["html"][:100]) for v in serious]
    context.close()
    assert len(kinds) > 100
    assert faults == []


def test_every_kind_of_text_is_measured(page, book):
    """Texts too faint to read, each on the ground of an ancestor."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install -e .[test]").Axe()
    _open(page, f"{book.resolve().as_uri()}/index.html")
    page.evaluate("""() => {
      const grounds = ['#666', '#777', '#999'].map(ground => [ground, '#888']); // one ink, three grounds
      document.querySelector('article').insertAdjacentHTML('beforeend', grounds.map(([ground, ink]) =>
        `<div style="background: ${ground}"><p class="faint" style="color: ${ink}"><b>faint</b> words</p></div>`
      ).join(''));
    }""")
    page.evaluate(KINDS_OF_TEXT, [])
    options = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}
    (found,) = axe.run(page, context="[data-kind-of-text]", options=options).response["violations"]
    assert len({node["target"][0] for node in found["nodes"]}) == 6  # each paragraph, and its word in bold


def test_on_paper_charts_are_stills_and_code_is_whole(page, book):
    page.goto(f"{book.resolve().as_uri()}/{THEORY}")
    page.emulate_media(media="print")
    page.locator("#fig-play").scroll_into_view_if_needed()  # paper loads the stills that wait to be seen
    page.wait_for_function("document.querySelector('#fig-play img.still').complete")
    assert page.locator("#fig-play img.still").is_visible() and not page.locator("#fig-play .chart").is_visible()
    assert page.locator("#fig-play .links").is_hidden()
    cut = page.evaluate("[...document.querySelectorAll('pre')].filter(e => e.scrollWidth > e.clientWidth + 1).length")
    assert cut == 0
    assert page.evaluate("getComputedStyle(document.querySelector('pre')).whiteSpace") == "pre-wrap"


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_chart_labels_are_readable_on_both_grounds(browser, mode, book):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=mode)
    page = context.new_page()
    _open(page, f"{book.resolve().as_uri()}/{STUDY}")
    assert page.evaluate("document.documentElement.dataset.theme") == mode
    contrasts = {figure: page.evaluate(CONTRAST, figure) for figure in ("rh", "pairs", "map", "loss")}
    context.close()
    for figure, found in contrasts.items():
        assert found and min(found) >= 4.5, figure


def test_heatmap_cells_hold_the_data_and_hovering_marks_one_cell(study, book):
    table, cells = _table(book, "rh"), _marks(study, "rh", "mark-rect")
    key = ["panel", "row", "column"]
    both = table.astype({"row": str, "column": str}).merge(cells.astype({"row": str, "column": str}), on=key)
    assert len(both) == len(table) == len(cells)
    assert (both.value_x - both.value_y).abs().max() < 1e-9
    assert not (cells._stroke == "#000").any()
    target = int(cells.index[cells.panel.str.startswith("this run")][7])
    _element(study, "rh", "mark-rect", target).hover()
    study.wait_for_timeout(300)
    after = _marks(study, "rh", "mark-rect")
    wanted = (cells.row == cells.row[target]) & (cells.column == cells.column[target])
    assert list(after._stroke == "#000") == list(wanted)
    assert f"{cells.value[target]:.3f}".replace("-", "−") in study.locator("#vg-tooltip-element").inner_text()
    study.mouse.move(2, 2)
    study.wait_for_timeout(300)
    assert not (_marks(study, "rh", "mark-rect")._stroke == "#000").any()


def test_dots_hold_the_data_and_hovering_one_dims_the_others(study, book):
    table, dots = _table(book, "pairs"), _marks(study, "pairs", "mark-symbol")
    table = table[table.group != NULL]  # a band
    both = table.merge(dots, on=["group", "label"])
    assert len(both) == len(table) == len(dots)
    assert (both.value_x - both.value_y).abs().max() < 1e-9
    assert {group: set(part) for group, part in dots.groupby("group")._opacity} == {
        "look-alikes": {1},
        "other pairs": {0.85},
    }
    target = int(dots.value[dots.group == "look-alikes"].idxmin())  # large enough to point at
    _element(study, "pairs", "mark-symbol", target).hover()
    study.wait_for_timeout(300)
    after = _marks(study, "pairs", "mark-symbol")
    bright = after[after._opacity > 0.25]
    assert bright[["group", "label"]].values.tolist() == [[dots.group[target], dots.label[target]]]


def test_maps_hold_the_data_and_a_brush_marks_the_same_images_in_both(study, book):
    table, points = _table(book, "map"), _marks(study, "map", "mark-symbol")
    first, second = table.panel.unique()
    n = table.image.nunique()
    assert len(points) == 2 * n
    left = table[table.panel == first].set_index("image")
    assert (points.set_index("image").x0[:n] - left.x).abs().max() < 1e-9
    right = table[table.panel == second].set_index("image")
    assert (points.set_index("image").y1[:n] - right.y).abs().max() < 1e-9
    assert points._opacity.nunique() == 1

    box = study.locator("#fig-map .vega-embed svg").bounding_box()
    study.locator("#fig-map .vega-embed svg").scroll_into_view_if_needed()
    box = study.locator("#fig-map .vega-embed svg").bounding_box()
    study.mouse.move(box["x"] + 30, box["y"] + 60)
    study.mouse.down()
    study.mouse.move(box["x"] + 180, box["y"] + 200, steps=5)
    study.mouse.up()
    study.wait_for_timeout(300)
    after = _marks(study, "map", "mark-symbol")
    marked = [set(part.image[part._opacity > 0.5]) for part in (after[:n], after[n:])]
    assert marked[0] == marked[1]
    assert 0 < len(marked[0]) < n
    inside = left.loc[sorted(marked[0])]
    covered = left[left.x.between(inside.x.min(), inside.x.max()) & left.y.between(inside.y.min(), inside.y.max())]
    assert set(covered.index) == marked[0]

    study.mouse.dblclick(box["x"] + 300, box["y"] + 300)
    study.locator("#fig-map .role-legend-symbol path").first.click()
    study.wait_for_timeout(300)
    after = _marks(study, "map", "mark-symbol")
    name = study.locator("#fig-map .role-legend-label text").first.text_content()
    assert set(after["class"][after._opacity > 0.5].astype(str)) == {name}
    assert (after._opacity > 0.5).sum() == 2 * (left["class"].astype(str) == name).sum()


def test_curves_hold_the_data_and_hovering_strengthens_one_line(study, book):
    table, points = _table(book, "loss"), _marks(study, "loss", "mark-symbol")
    both = table.merge(points, on=["encoder", "epoch"])
    assert len(both) == len(table) == len(points)
    assert (both.loss_x - both.loss_y).abs().max() < 1e-9
    lines = _marks(study, "loss", "mark-line")
    assert len(lines) == table.encoder.nunique()
    assert lines._width.max() < 4
    assert set(lines.undersampled[lines._width > 2]) == {"balanced"}
    _element(study, "loss", "mark-symbol", len(points) // 2).hover(force=True)
    study.wait_for_timeout(300)
    after = _marks(study, "loss", "mark-line")
    assert (after._width == 4).sum() == 1


def test_the_dark_page_is_reached_by_its_button(study):
    before = study.evaluate("getComputedStyle(document.body).backgroundColor")
    for _ in range(3):
        if not study.locator(DARK).count():
            study.locator("button.theme-switch-button").first.click()
    assert study.locator(DARK).count() == 1
    assert study.evaluate("getComputedStyle(document.body).backgroundColor") != before


def _slide(page, figure: str, name: str, value: float) -> None:
    """Move a slider of a figure, as a hand does, and wait until the chart has followed."""
    page.locator(f"#fig-{figure} input[name={name}]").evaluate(
        "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", str(value)
    )
    page.wait_for_timeout(300)


def test_sliders_move_the_vectors_of_the_block_model_without_a_network(browser, book):
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    _open(page, f"{book.resolve().as_uri()}/{THEORY}")
    table, seen = _table(book, "play", THEORY), set()
    taus, shares, alphas = (sorted(table[c].unique()) for c in ("tau", "log2_share", "alpha"))
    assert len(taus) >= 3 and len(shares) >= 25 and len(alphas) >= 15
    for tau, share, alpha in ((taus[0], shares[0], alphas[2]), (taus[1], shares[-1], alphas[-1])):
        page.locator(f"#fig-play input[type=radio][value='{tau:g}']").check()
        _slide(page, "play", "pick_log2_share", share)
        _slide(page, "play", "pick_alpha", alpha)
        row = table[(table.tau == tau) & np.isclose(table.log2_share, share) & np.isclose(table.alpha, alpha)].iloc[0]
        words = next(t for t in page.locator("#fig-play .mark-text text").all_text_contents() if "cos" in t)
        shown = [float(w.replace("−", "-")) for w in re.findall(r"= ([−-]?[\d.]+)", words)]
        assert shown == pytest.approx([math.cos(row.t12), math.cos(row.t23), math.cos(row.t12 + row.t23)], abs=0.02)
        seen.add(words)
    assert len(seen) == 2
    context.close()


def test_sliders_of_the_collapse_chapter_show_the_computed_thresholds_and_angles(browser, book):
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 800})
    page, name = context.new_page(), "notebooks/minority_collapse.html"
    _open(page, f"{book.resolve().as_uri()}/{name}")
    table = _table(book, "phase", name)
    for step in (int(table.step.max()), 3):
        _slide(page, "phase", "pick_step", step)
        dots, wanted = _marks(page, "phase", "mark-symbol"), table[table.step == step]
        assert sorted(dots.threshold) == pytest.approx(sorted(wanted.threshold))
    table = _table(book, "circle", name)
    tau = sorted(table.tau.unique())[0]
    page.locator(f"#fig-circle input[type=radio][value='{tau:g}']").check()
    for ratio in (0.5, 2.0):
        _slide(page, "circle", "pick_ratio", ratio)
        row = table[(table.tau == tau) & np.isclose(table.log10_ratio, ratio)].iloc[0]
        words = next(t for t in page.locator("#fig-circle .mark-text text").all_text_contents() if "cosine" in t)
        shown = float(words.split("minorities ")[1].split(" ")[0].replace("−", "-"))
        assert shown == pytest.approx(math.cos(2 * row.angle), abs=0.01)
    context.close()


def test_the_slider_of_the_spread_chapter_shows_the_thresholds_and_the_papers_settings(browser, book):
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 800})
    page, name = context.new_page(), "notebooks/lspread_strata.html"
    _open(page, f"{book.resolve().as_uri()}/{name}")
    table, seen = _table(book, "phase", name), set()
    lines, settings = table[table["name"].isna()], table[table["name"].notna()]
    for tau in (0.9, 0.5, 0.1):
        step = int(lines[np.isclose(lines.tau, tau)].step.iloc[0])
        _slide(page, "phase", "pick_tau", step)
        marks = _marks(page, "phase", "mark-symbol")
        rings = marks.name.notna() if "name" in marks else pd.Series(False, index=marks.index)
        assert sorted(marks[~rings].alpha_star) == pytest.approx(sorted(lines[lines.step == step].alpha_star))
        found = marks.loc[rings, "alpha"] if rings.any() else []  # a temperature that no experiment has draws no ring
        assert sorted(found) == sorted(settings[settings.step == step].alpha)
        words = page.locator("#fig-phase .mark-text text").all_text_contents()
        assert f"τ = {tau:.2f}" in words
        seen.add(int(rings.sum()))
    assert len(seen) == 3
    assert 0 in seen
    context.close()


def test_the_keyboard_leads_the_one_picture_from_spread_to_collapse_on_a_phone(browser, book):
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
    page = context.new_page()
    _open(page, f"{book.resolve().as_uri()}/picture.html")
    kept = pd.read_csv(book / "_static/one-picture.csv")

    def angles() -> list[int]:
        said = page.locator("#fig-one-picture .mark-text text", has_text="image to its class").first.text_content()
        return [int(number) for number in re.findall(r"(\d+)°", said)]

    def wanted(tau: float, place: float, alpha: float) -> list[float]:
        row = kept[(kept.tau == tau) & (kept.log2_ratio == place) & np.isclose(kept.alpha, alpha)].iloc[0]
        spread = [math.degrees(math.acos(math.sqrt(1 - b))) for b in (row.majority, row.minority)]
        return [*spread, math.degrees(min(2 * row.angle, 2 * math.pi - 2 * row.angle))]

    assert angles() == pytest.approx(wanted(0.5, 0, 0.3), abs=1)
    for name, key, times in (
        ("pick_ratio", "ArrowRight", 4),
        ("pick_alpha", "ArrowLeft", 3),
        ("pick_tau", "ArrowLeft", 1),
    ):
        page.locator(f"#fig-one-picture input[name={name}]").focus()
        for _ in range(times):
            page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert angles() == pytest.approx(wanted(0.3, 2, 0.24), abs=1)
    _slide(page, "one-picture", "pick_alpha", 1)
    _slide(page, "one-picture", "pick_ratio", 7)
    assert angles() == [0, 0, 0]
    assert page.locator("#fig-one-picture output").all_inner_texts() == ["1", "τ = 0.3", "128"]
    context.close()


def test_a_stratum_of_the_legend_is_marked_under_both_losses(browser, book):
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 800})
    page, name = context.new_page(), "notebooks/lspread_strata.html"
    _open(page, f"{book.resolve().as_uri()}/{name}")
    table = _table(book, "map", name)
    page.locator("#fig-map .role-legend-symbol path").first.click()
    page.wait_for_timeout(300)
    after, stratum = _marks(page, "map", "mark-symbol"), page.locator("#fig-map .role-legend-label text").first
    bright = after[after._opacity > 0.5]
    assert set(bright["class"].astype(str)) == {stratum.text_content()}
    assert len(bright) == (table["class"].astype(str) == stratum.text_content()).sum()
    context.close()


def test_what_a_page_offers_for_download_stands_alone(book):
    found = sorted((book / "_sources/notebooks").glob("*.ipynb"))
    assert found
    for path in found:
        text = path.read_text(encoding="utf-8")
        assert "<script" not in text and "data:image/svg+xml;base64," in text


def test_sliders_of_the_disentanglement_chapter_move_lattice_box_rooms_and_corner(browser, book):
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 800})
    page, name = context.new_page(), "notebooks/disentanglement.html"
    _open(page, f"{book.resolve().as_uri()}/{name}")
    table = _table(book, "lattice", name)
    recipe = list(dict.fromkeys(table.recipe))[-1]
    page.locator(f"#fig-lattice input[type=radio][value='{recipe}']").check()
    for frame in (1, 3):
        _slide(page, "lattice", "pick_frame", frame)
        wanted, seen = table[(table.recipe == recipe) & (table.frame == frame)], _marks(page, "lattice", "mark-symbol")
        seen = seen[(seen.recipe == recipe) & (seen.frame == frame)]
        assert sorted(seen.x) == pytest.approx(sorted(wanted.x))
        words = page.locator("#fig-lattice .mark-text.role-mark text").all_text_contents()
        assert f"step {wanted.step.iloc[0]}" in words
    for kappa, degrees in ((1.0, 0.0), (1.25, math.degrees(math.asin(1.25**2 - 1)) / 2), (1.5, 45.0)):
        _slide(page, "box", "pick_kappa", kappa)
        assert f"up to {degrees:.1f}°" in page.locator("#fig-box .mark-text.role-mark text").first.text_content()
    table = _table(book, "rooms", name)
    for step in (0, int(table.step.max())):
        _slide(page, "rooms", "pick_step", step)
        row = table[table.step == step].iloc[0]
        assert f"{row.change:.2f} taxicab" in page.locator("#fig-rooms .mark-text.role-mark text").first.text_content()
    far = []
    for kind in ("exchanged", "as they are"):
        page.locator(f"#fig-rooms input[type=radio][value='{kind}']").check()
        marks = _marks(page, "rooms", "mark-symbol")
        far.append(marks[marks.x > 0.5].sort_values(["i", "j"])[["x", "y"]].to_numpy())
    assert far[0] == pytest.approx(far[1][:, ::-1]), "with both rooms on the diagonal the coordinates change places"
    table = _table(book, "corner", name)
    for step in (0, int(table.step.max())):
        _slide(page, "corner", "pick_density", step)
        words = page.locator("#fig-corner .mark-text.role-mark text").all_text_contents()
        wanted = table[table.step == step].groupby("recipe", sort=False).rh.first()
        assert [f"RH {rh:.2f}" in text for rh, text in zip(wanted, words, strict=True)] == [True] * 3
    context.close()
