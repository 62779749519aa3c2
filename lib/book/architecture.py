"""The house drawn from the code: packages in the layers that ``pyproject.toml`` holds them to, lines for imports."""

import ast
import html
import tomllib
from collections import Counter

from lib.hashing import ROOT, modules

WIDTH, ROW, BOX = 560, 64, 36  # of the drawing, a layer, a box, in pixels
SHOWN = 8  # characters fit so many pixels


def layers() -> list[list[str]]:
    """The packages and modules of ``lib``, from the top layer down."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    rows = config["tool"]["importlinter"]["contracts"][0]["layers"]
    return [[name.strip() for name in row.replace(":", "|").split("|")] for row in rows]


def imports() -> Counter[tuple[str, str]]:
    """How many import statements of one package (or module at the top) of ``lib`` name another."""
    found: Counter[tuple[str, str]] = Counter()
    for module in modules():
        if module == "lib":
            continue
        base = ROOT.joinpath(*module.split("."))
        path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        own = module.split(".")[1]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lib":
                parts = node.module.split(".")
                targets = {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
                found.update((own, target) for target in targets if target != own)
    return found


def drawing() -> str:
    """The drawing as SVG in the text colour of the page; an import that others imply has no line."""
    rows = [[name for name in row if (ROOT / "lib" / name).is_dir() or name == "claims"] for row in layers()]
    rows = [row for row in rows if row]
    places = {  # columns are shifted from row to row, so that no line runs behind a box
        name: (WIDTH * (2 * j + 1) / (2 * len(row)) + 44 * (i % 3 - 1), ROW * i + 6)
        for i, row in enumerate(rows)
        for j, name in enumerate(row)
    }
    edges = {(a, b) for a, b in imports() if a in places and b in places}
    lines = [_line(places[a], places[b]) for a, b in sorted(edges) if not _implied(a, b, edges)]
    boxes = [_box(name, *place) for name, place in places.items()]
    text = "Packages of lib from the top: " + "; ".join(", ".join(row) for row in rows)
    return (
        f'<svg class="house" role="img" aria-label="{html.escape(text)}" viewBox="0 0 {WIDTH} {ROW * len(rows)}" '
        'xmlns="http://www.w3.org/2000/svg" style="width:100%;max-width:640px;font-family:system-ui,sans-serif">'
        f"{''.join(lines)}{''.join(boxes)}</svg>"
    )


def _implied(a: str, b: str, edges: set[tuple[str, str]]) -> bool:
    """Whether b is reached from a by another way than the edge between them."""
    seen, todo = set(), [end for start, end in edges if start == a and end != b]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += [end for start, end in edges if start == name]
    return b in seen


def packages() -> list[tuple[str, str, str]]:
    """Name, what lives there, and what it may import, as each package says; modules at the top have no third."""
    found = []
    for name in (name for row in layers() for name in row):
        base = ROOT / "lib" / name
        path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        first, _, rest = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).partition("\n\n")
        found.append((f"lib.{name}", " ".join(first.split()), " ".join(rest.split()) if base.is_dir() else ""))
    return found


def _line(a: tuple[float, float], b: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = a, b
    return f'<path d="M{x1:.0f} {y1 + BOX}L{x2:.0f} {y2:.0f}" stroke="currentColor" stroke-opacity="0.5"/>'


def _box(name: str, x: float, y: float) -> str:
    half = max(40, 8 + SHOWN * len(name) / 2)
    return (
        f'<rect x="{x - half:.0f}" y="{y:.0f}" width="{2 * half:.0f}" height="{BOX}" rx="6" stroke="currentColor" '
        f'style="fill:var(--pst-color-background,Canvas)"/><text x="{x:.0f}" y="{y + 22:.0f}" text-anchor="middle" '
        f'font-size="15" fill="currentColor">{name}</text>'
    )
