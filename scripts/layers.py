"""Draw docs/images/layers.svg from the imports of the code: python scripts/layers.py

A package stands one row above the highest package that its modules import when they are loaded;
imports inside functions do not count. A circle is an error, and so is a package without a role.
"""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "layers.svg"
ROLES = {
    "spectra": "files, grid, continuum, stores",
    "labels": "features, tables, selection",
    "calibration": "scores, ranks, intervals",
    "training": "coefficients, factors, scatter",
    "model": "a trained model and its folder",
    "posterior": "summary, samplers, priors",
    "ages": "isochrones, age integral",
    "simulate": "simulated stars",
    "catalog": "columns, blocks, writers",
    "validation": "folds, recalibration",
    "plots": "pictures",
    "cli": "one file a command",
}
WIDTH, HEIGHT, GAP = 200, 46, 22
STYLE = """
text { font: 13px sans-serif; fill: #1b1b1b; text-anchor: middle }
.name { font-weight: bold } .role { font-size: 11px }
rect { fill: #e8f1f8; stroke: #0072b2; rx: 4 }
.outside { fill: #faf0e6; stroke: #d55e00 } .shared { fill: #f2f2f2; stroke: #767676 }
"""


@cache
def imports() -> dict[str, set[str]]:
    """Return which packages of the library each of them imports."""
    found: dict[str, set[str]] = {name: set() for name in ROLES}
    for path in sorted((ROOT / "bayescannon").glob("*/**/*.py")):
        package = path.relative_to(ROOT / "bayescannon").parts[0]
        if package == "data":
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for module in _modules(node):
                name = module.removeprefix("bayescannon.").split(".")[0]
                if module.startswith("bayescannon.") and name in ROLES and name != package:
                    found[package].add(name)
    return found


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom) or node.module is None:
        return []
    return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]


def level(package: str, above: tuple[str, ...] = ()) -> int:
    """Return the row of a package, 0 the lowest."""
    if package in above:
        raise ValueError(f"imports run in a circle: {' -> '.join((*above, package))}")
    return 1 + max((level(p, (*above, package)) for p in imports()[package]), default=-1)


def draw() -> str:
    """Return the picture as SVG."""
    rows: dict[int, list[str]] = {}
    for package in ROLES:
        rows.setdefault(level(package), []).append(package)
    lines = [
        [("studies", "the paper, scenarios", "outside"), ("benchmarks", "timings", "outside")],
        *([(name, ROLES[name], "") for name in rows[k]] for k in sorted(rows, reverse=True)),
        [("errors  flags  files  keys  recipe  data", "small modules that all may use", "shared")],
    ]
    width = max(map(len, lines)) * (WIDTH + GAP) + GAP
    height = len(lines) * (HEIGHT + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">',
        f"<style>{STYLE}</style>",
    ]
    for row, boxes in enumerate(lines):
        size = 2 * WIDTH if boxes[0][2] == "shared" else WIDTH
        left = (width - len(boxes) * (size + GAP) + GAP) / 2
        top = GAP + row * (HEIGHT + GAP)
        for place, (name, role, kind) in enumerate(boxes):
            x = left + place * (size + GAP)
            middle = x + size / 2
            parts += [
                f'<rect class="{kind}" x="{x:g}" y="{top}" width="{size}" height="{HEIGHT}"/>',
                f'<text class="name" x="{middle:g}" y="{top + 19}">{name}</text>',
                f'<text class="role" x="{middle:g}" y="{top + 36}">{role}</text>',
            ]
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
