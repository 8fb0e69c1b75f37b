"""Build docs/*.md, README and CHANGELOG as static HTML, with a reference from the docstrings.

`make docs` writes `build/docs/index.html`, which opens from disk. Everything that is needed comes
with smallpose: markdown-it and Pygments with rich, and Jinja2 for the report.
"""

import argparse
import ast
import html
import importlib
import inspect
import io
import os
import re
import shutil
import sys
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

import smallpose
from smallpose.cli.main import VERBS, main
from smallpose.system.files import write_atomically

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
# The menu: pages of docs/ by group, in this order; pages that are not named follow in "background".
GROUPS = {
    "how to": (
        "install",
        "gallery",
        "which-model",
        "evaluate",
        "measure",
        "video",
        "build",
        "custom-source",
        "train",
        "predict",
        "external-models",
        "resolution",
        "ceiling",
        "budget",
        "sigmas",
        "slices",
        "difference",
        "gate",
        "report",
        "cost",
        "leaderboard",
        "cluster",
        "parquet",
        "extend",
    ),
    "background": (
        "glossary",
        "joints",
        "outputs",
        "protocols",
        "intervals",
        "density-columns",
        "detection-limit",
        "bootstrap-bias",
        "versions",
        "tools",
        "peers",
        "pycocotools",
        "label-audit",
        "exports",
        "parity",
        "faults",
        "mutation",
    ),
}
PACKAGES = (
    "core",
    "system",
    "io",
    "stats",
    "sources",
    "synthetic",
    "dataset",
    "evaluation",
    "catalog",
    "models",
    "dataloading",
    "methods",
    "external",
    "inference",
    "training",
    "resolution",
    "report",
)
# The names of README and others among the pages.
PROJECT_PAGES = {"README": "index", "CHANGELOG": "changes", "CONTRIBUTING": "contributing"}


@dataclass(frozen=True)
class Page:
    """One page of the site.

    Args:
        name: of its file, without `.html`.
        title: in the menu.
        group: of the menu.
        body: HTML.
    """

    name: str
    title: str
    group: str
    body: str


def list_pages() -> list[Page]:
    """Render all pages, in the order of the menu."""
    group_of = {name: group for group, names in GROUPS.items() for name in names}
    order = list(group_of)
    files = {path.stem: path for path in sorted((ROOT / "docs").glob("*.md"))}
    names = sorted(files, key=lambda name: order.index(name) if name in order else len(order))
    links = {f"{prefix}{name}.md": f"{name}.html" for name in names for prefix in ("", "docs/")}
    for name, target in PROJECT_PAGES.items():
        links |= {f"{prefix}{name}.md": f"{target}.html" for prefix in ("", "../")}
    pages = [_render_file("index", ROOT / "README.md", "start", links)]
    for name in names:
        pages.append(_render_file(name, files[name], group_of.get(name, "background"), links))
    pages.append(Page("commands", "Commands", "reference", _render_commands()))
    pages.append(_render_public_names())
    pages += [_render_package(package) for package in PACKAGES]
    for name in ("CONTRIBUTING", "CHANGELOG"):
        pages.append(_render_file(PROJECT_PAGES[name], ROOT / f"{name}.md", "project", links))
    return pages


def _render_file(name: str, path: Path, group: str, links: dict[str, str]) -> Page:
    text = path.read_text()
    # HTML comments are for the tests and not for readers.
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    body = re.sub(
        r'href="([^":#]+)(#[^"]*)?"',
        lambda match: f'href="{links.get(match[1], match[1])}{match[2] or ""}"',
        _render_markdown(text),
    )
    # README names images by their path in the repository; the site has them beside its pages.
    body = body.replace('src="docs/', 'src="')
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    return Page(name, title[1].strip("`") if title else name, group, body)


def _render_markdown(text: str) -> str:
    parser = MarkdownIt("commonmark", {"highlight": _highlight_code}).enable("table")
    body = str(parser.render(text))
    # Wide tables scroll by themselves, and headings can be linked to.
    body = body.replace("<table>", '<div class="scroll"><table>')
    body = body.replace("</table>", "</table></div>")
    return re.sub(
        r"<h([23])>(.*?)</h\1>",
        lambda match: f'<h{match[1]} id="{_make_anchor(match[2])}">{match[2]}</h{match[1]}>',
        body,
    )


def _make_anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"<[^>]+>", "", heading).lower()).strip("-")


def _highlight_code(code: str, language: str, _: str) -> str:
    try:
        lexer = get_lexer_by_name(language.split()[0] if language else "text")
    except ClassNotFound:
        return html.escape(code)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def _render_commands() -> str:
    """Render the help of every verb."""
    parts = ["<h1>Commands</h1>"]
    for group, verbs in VERBS.items():
        parts.append(f"<h2>{html.escape(group)}</h2>")
        for verb in verbs:
            parts.append(f'<h3 id="{verb}">smallpose {verb}</h3>')
            parts.append(f"<pre><code>{html.escape(_capture_help(verb))}</code></pre>")
    return "\n".join(parts)


def _capture_help(verb: str) -> str:
    # The width of the help is not that of the terminal in which the site is built.
    os.environ["COLUMNS"] = "100"
    out = io.StringIO()
    with redirect_stdout(out), suppress(SystemExit):
        main([verb, "--help"])
    return out.getvalue()


def _render_public_names() -> Page:
    """Render what `import smallpose` offers."""
    parts = ["<h1>import smallpose</h1>", _render_docstring(smallpose.__doc__ or "")]
    for name in smallpose.__all__:
        if name != "__version__":
            parts.append(_render_entry(f"smallpose.{name}", getattr(smallpose, name)))
    return Page("smallpose", "import smallpose", "reference", "\n".join(parts))


def _render_package(package: str) -> Page:
    """Render the public names of a package, module by module."""
    folder = ROOT / "src" / "smallpose" / package
    docstring = importlib.import_module(f"smallpose.{package}").__doc__ or ""
    parts = [f"<h1>smallpose.{package}</h1>", _render_docstring(docstring)]
    for path in sorted(folder.rglob("*.py")):
        if path.name == "__init__.py":
            continue
        name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        try:
            module = importlib.import_module(name)
        except ImportError as error:  # an optional dependency of this module is not installed
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        parts.append(f'<h2 id="{name}">{name}</h2>')
        parts.append(_render_docstring(module.__doc__ or ""))
        for entry in _list_public_names(path):
            parts.append(_render_entry(entry, getattr(module, entry)))
    return Page(package, f"smallpose.{package}", "reference", "\n".join(parts))


def _list_public_names(path: Path) -> list[str]:
    """List the functions and classes that the file defines, in its order."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, kinds) and not node.name.startswith("_")
    ]


def _render_entry(name: str, value: object) -> str:
    if not callable(value):
        return ""
    try:
        signature = str(inspect.signature(value))
    except (TypeError, ValueError):
        signature = "(…)"
    kind = "class" if inspect.isclass(value) else "def"
    # Defaults may be printed with memory addresses of this process.
    signature = re.sub(r" at 0x[0-9a-f]+", "", signature)
    head = _highlight_code(f"{kind} {name}{signature}", "python", "")
    parts = [f'<section class="entry"><pre><code>{head}</code></pre>']
    parts.append(_render_docstring(inspect.getdoc(value) or ""))
    if inspect.isclass(value):
        for attribute, member in vars(value).items():
            is_documented = inspect.isfunction(member) or isinstance(member, property)
            if attribute.startswith("_") or not is_documented:
                continue
            call = "" if isinstance(member, property) else str(inspect.signature(member))
            parts.append(f"<h4><code>.{attribute}{html.escape(call)}</code></h4>")
            parts.append(_render_docstring(inspect.getdoc(member) or ""))
    return "\n".join([*parts, "</section>"])


def _render_docstring(text: str) -> str:
    """Render sentences as paragraphs, and sections such as Args as they are laid out."""
    blocks = []
    for block in re.split(r"\n\s*\n|\n(?=(?:Args|Returns|Raises|>>>)\b)", inspect.cleandoc(text)):
        is_code = block.startswith(">>>")
        if is_code or re.match(r"(Args|Returns|Raises):", block):
            style = "code" if is_code else "args"
            blocks.append(f'<pre class="{style}">{html.escape(block)}</pre>')
        elif block.strip():
            sentence = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(block))
            blocks.append(f"<p>{sentence}</p>")
    return "\n".join(blocks)


def build(out: Path) -> list[Page]:
    """Write the site into `out`, with the images of its pages beside them."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER), autoescape=False)
    template = environment.get_template("page.html")
    pages = list_pages()
    light, dark = (
        HtmlFormatter(style=style).get_style_defs(".page") for style in ("friendly", "monokai")
    )
    for page in pages:
        text = template.render(
            page=page,
            pages=pages,
            groups=(*GROUPS, "reference", "project"),
            version=smallpose.__version__,
            light=light,
            dark=dark,
            style=(FOLDER / "style.css").read_text(),
        )
        write_atomically(out / f"{page.name}.html", text)
    for image in (ROOT / "docs").rglob("*"):
        if image.suffix in (".png", ".svg", ".webp"):
            target = out / image.relative_to(ROOT / "docs")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(image, target)
    return pages


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build docs/ as static HTML.")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "docs", help="Folder to write."
    )
    folder = parser.parse_args().out
    print(f"{len(build(folder))} pages; open {folder / 'index.html'}")
