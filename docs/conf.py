"""The documentation site: python -m sphinx -W docs docs/_build/html

The build runs the notebooks and keeps their output in docs/_build/.jupyter_cache until a notebook
changes. `-D nb_execution_mode=off` leaves them unexecuted: that is what the test does.
"""

import importlib.metadata
import os
import shutil
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

DOCS = Path(__file__).parent
ROOT = DOCS.parent

project = "bayescannon"
author = "The bayescannon developers"
copyright = author
release = importlib.metadata.version("bayescannon")

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_design",
]
exclude_patterns = ["_build", "examples", "conf.py", "tutorials/figures", "**/.ipynb_checkpoints"]

html_theme = "pydata_sphinx_theme"
html_title = "bayescannon"
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navbar_persistent": ["search-button"],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}
html_sidebars = {"*": [], "tutorials/10_gallery": []}  # pages that stand alone
html_math_renderer = "mathml"
nitpicky = True
default_role = "literal"

# Docstrings are numpydoc; the members of a class stand on its own page.
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# Notebooks: percent-format scripts in notebooks/, run by a kernel that imports this source tree.
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_cache_path = str(DOCS / "_build" / ".jupyter_cache")
nb_execution_raise_on_error = True
nb_execution_timeout = 1200
nb_merge_streams = True
nb_output_stderr = "remove"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst-nb.lexer"]  # the lexer of a notebook is known once it has run

os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.getenv("PYTHONPATH")]))
for stale in (DOCS / "tutorials").glob("*.py"):
    if not (ROOT / "notebooks" / stale.name).exists():
        stale.unlink()
for notebook in sorted((ROOT / "notebooks").glob("*.py")):
    copied = DOCS / "tutorials" / notebook.name
    if not copied.exists() or copied.read_bytes() != notebook.read_bytes():
        shutil.copyfile(notebook, copied)
shutil.rmtree(DOCS / "api" / "generated", ignore_errors=True)  # pages of modules that are gone


def setup(app) -> None:
    """Render formulas as MathML, which needs no script from a server; leave bare fields out."""

    def inline(translator, node) -> None:
        translator.body.append(tex2mathml(node.astext(), as_block=False))
        raise nodes.SkipNode

    def block(translator, node) -> None:
        translator.body.append(tex2mathml(node.astext(), as_block=True))
        raise nodes.SkipNode

    def skip_bare_field(app, what, name, obj, skip, options) -> bool | None:
        bare = str(getattr(obj, "__doc__", None)).startswith("Alias for field number")
        return True if bare else None  # None: as autodoc thinks

    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.connect("autodoc-skip-member", skip_bare_field)
