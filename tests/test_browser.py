"""The built book in a browser: no other host asked, nothing broken, and every kind of chart answers the pointer.

The whole book where it was built and nothing has changed since; else the small one of ``small_book``.
"""

import functools
import http.server
import math
import os
import re
import shutil
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

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
  return {'charts': charts.length, 'formulas': all('.math mjx-container svg').length,
          'empty charts': charts.filter(e => !e.querySelector('svg .role-mark path')).length,
          'bare mathematics': all('.math:not(:has(mjx-container svg))').length,
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


def pages(book: Path) -> list[str]:
    """Every page; what else lies under _static are the theme's templates."""
    found = sorted(p.relative_to(book).as_posix() for p in book.rglob("*.html"))
    return [name for name in found if name.startswith("_static/code/") or not name.startswith("_static/")]


def written(book: Path) -> list[str]:
    """The pages of the book proper, without the listings of sources."""
    return [name for name in pages(book) if not name.startswith("_static/")]


def _open(page, address: str) -> None:
    page.goto(address, wait_until="load")
    drawn = "[...document.querySelectorAll('.chart > [id^=chart-]')].every(d => d.querySelector('svg .mark-group'))"
    page.wait_for_function(drawn, timeout=20_000)
    page.wait_for_function("!window.MathJax?.startup?.promise || MathJax.startup.promise.then(() => true)")


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


def test_pages_ask_no_other_host_and_nothing_breaks(browser, home, book):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page, troubles, charts, formulas = context.new_page(), [], 0, 0
    allowed = (home, "data:", "blob:")
    page.on("request", lambda r: r.url.startswith(allowed) or troubles.append(("request", page.url, r.url)))
    page.on("requestfailed", lambda r: troubles.append(("failed", page.url, r.url)))
    page.on("response", lambda r: r.status < 400 or troubles.append(("status", page.url, r.url)))
    page.on("console", lambda m: m.type != "error" or troubles.append(("console", page.url, m.text)))
    page.on("pageerror", lambda e: troubles.append(("script", page.url, str(e))))
    for name in pages(book):
        _open(page, f"{home}/{name}")
        found = page.evaluate(SHOWN)
        charts, formulas = charts + found["charts"], formulas + found["formulas"]
        words = ("empty charts", "bare mathematics", "no alt text")
        troubles += [(word, name, found[word]) for word in words if found[word]]
    context.close()
    assert troubles == []
    assert charts >= 6
    assert formulas >= 5


def test_search_finds_a_word(page, home):
    page.goto(f"{home}/search.html?q=undersampled")
    page.wait_for_selector("#search-results li a")
    addresses = [a.get_attribute("href") for a in page.locator("#search-results li a").all()]
    assert any(STUDY in address for address in addresses)


def test_a_phone_needs_no_sideways_scrolling(browser, book):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page, wide = context.new_page(), []
    for name in written(book):
        _open(page, f"{book.resolve().as_uri()}/{name}")
        width = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
        if width > 390:
            wide.append((name, width))
        for svg in page.locator(".chart .vega-embed svg.marks").all():  # charts keep their size and scroll
            assert svg.bounding_box()["width"] == float(svg.get_attribute("width")), name
    context.close()
    assert wide == []


def test_the_front_page_fits_one_screen(page, book):
    _open(page, f"{book.resolve().as_uri()}/index.html")
    for what in ("article h1", "article p strong", "figure.result .vega-embed svg"):
        box = page.locator(what).first.bounding_box()
        assert box["y"] >= 0, what
        assert box["y"] + box["height"] <= 800, what


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("figure", ["rh", "pairs", "map", "loss"])
def test_chart_labels_are_readable_on_both_grounds(browser, mode, figure, book):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=mode)
    page = context.new_page()
    _open(page, f"{book.resolve().as_uri()}/{STUDY}")
    assert page.evaluate("document.documentElement.dataset.theme") == mode
    contrasts = page.evaluate(CONTRAST, figure)
    context.close()
    assert len(contrasts) > 0
    assert min(contrasts) >= 4.5


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
    both = table.merge(dots, on=["group", "label"])
    assert len(both) == len(table) == len(dots)
    assert (both.value_x - both.value_y).abs().max() < 1e-9
    assert dots._opacity.eq(1).all()
    target = int(dots.value[dots.group == "look-alikes"].idxmin())  # large enough to point at
    _element(study, "pairs", "mark-symbol", target).hover()
    study.wait_for_timeout(300)
    after = _marks(study, "pairs", "mark-symbol")
    bright = after[after._opacity == 1]
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
