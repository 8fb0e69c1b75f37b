"""docs/*.md, README and CHANGELOG as static HTML, with a reference from the docstrings.

`make docs` writes `build/docs/index.html`, which opens from disk. Nothing is needed that smallpose
itself does not bring along: markdown-it and Pygments come with rich, Jinja2 makes the report.
"""

import argparse
import ast
import html
import importlib
import inspect
import io
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

HERE = Path(__file__).parent
HOUSE = HERE.parents[1]
FIRST = ("score", "build", "train", "predict", "report", "extend", "protocols")


@dataclass(frozen=True)
class Page:
    """One page of the site."""

    name: str  # of its file, without .html
    title: str
    group: str
    body: str


def pages() -> list[Page]:
    """All of them, in the order of the menu."""
    order = {name: number for number, name in enumerate(FIRST)}
    texts = sorted((HOUSE / "docs").glob("*.md"), key=lambda p: (order.get(p.stem, 99), p.stem))
    known = {f"docs/{p.name}": f"{p.stem}.html" for p in texts} | {
        p.name: f"{p.stem}.html" for p in texts
    }
    known |= {
        "README.md": "index.html",
        "CHANGELOG.md": "changes.html",
        "../README.md": "index.html",
    }
    known |= {"CONTRIBUTING.md": "contributing.html", "../CONTRIBUTING.md": "contributing.html"}
    out = [_text("index", HOUSE / "README.md", "start", known)]
    out += [_text(p.stem, p, "how to", known) for p in texts]
    out.append(Page("commands", "Commands", "reference", _commands()))
    out += [_reference(room) for room in _rooms()]
    out.append(_text("contributing", HOUSE / "CONTRIBUTING.md", "project", known))
    out.append(_text("changes", HOUSE / "CHANGELOG.md", "project", known))
    return out


def _text(name: str, path: Path, group: str, known: dict[str, str]) -> Page:
    text = path.read_text()
    # Marks for the tests are comments and not for readers.
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    body = _markdown(text)
    body = re.sub(
        r'href="([^":#]+)(#[^"]*)?"', lambda m: f'href="{known.get(m[1], m[1])}{m[2] or ""}"', body
    )
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    return Page(name, title[1].strip("`") if title else name, group, body)


def _markdown(text: str) -> str:
    parser = MarkdownIt("commonmark", {"highlight": _coloured}).enable("table")
    body = str(parser.render(text))
    # Wide tables scroll by themselves, and headings can be linked to.
    body = body.replace("<table>", '<div class="scroll"><table>').replace(
        "</table>", "</table></div>"
    )
    return re.sub(
        r"<h([23])>(.*?)</h\1>",
        lambda m: f'<h{m[1]} id="{_slug(m[2])}">{m[2]}</h{m[1]}>',
        body,
    )


def _slug(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"<[^>]+>", "", heading).lower()).strip("-")


def _coloured(code: str, language: str, _: str) -> str:
    try:
        lexer = get_lexer_by_name(language.split()[0] if language else "text")
    except ClassNotFound:
        return html.escape(code)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def _commands() -> str:
    """What every verb says of itself."""
    parts = ["<h1>Commands</h1>"]
    for group, verbs in VERBS.items():
        parts.append(f"<h2>{html.escape(group)}</h2>")
        for verb in verbs:
            parts.append(f'<h3 id="{verb}">smallpose {verb}</h3>')
            parts.append(f"<pre><code>{html.escape(_help(verb))}</code></pre>")
    return "\n".join(parts)


def _help(verb: str) -> str:
    out = io.StringIO()
    with redirect_stdout(out), suppress(SystemExit):
        main([verb, "--help"])
    return out.getvalue()


def _rooms() -> list[str]:
    """The package itself, then its rooms in the order of knowledge."""
    order = (
        "core",
        "system",
        "io",
        "sources",
        "synthetic",
        "dataset",
        "stats",
        "evaluation",
        "models",
        "dataloading",
        "methods",
        "inference",
        "training",
        "report",
    )
    return ["", *(room for room in order if (HOUSE / "src/smallpose" / room).is_dir())]


def _reference(room: str) -> Page:
    """Public names of a room, module by module."""
    if not room:
        parts = ["<h1>import smallpose</h1>", _prose(smallpose.__doc__ or "")]
        for name in smallpose.__all__:
            if name != "__version__":
                parts.append(_entry(f"smallpose.{name}", getattr(smallpose, name)))
        return Page("smallpose", "import smallpose", "reference", "\n".join(parts))
    folder = HOUSE / "src" / "smallpose" / room
    package = importlib.import_module(f"smallpose.{room}")
    parts = [f"<h1>smallpose.{room}</h1>", _prose(package.__doc__ or "")]
    for path in sorted(folder.rglob("*.py")):
        if path.name == "__init__.py":
            continue
        name = ".".join(path.relative_to(HOUSE / "src").with_suffix("").parts)
        try:
            module = importlib.import_module(name)
        except ImportError as error:  # a tool that this module serves is not installed
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        parts.append(f'<h2 id="{name}">{name}</h2>')
        parts.append(_prose(module.__doc__ or ""))
        for own in _public(path):
            parts.append(_entry(own, getattr(module, own)))
    return Page(room, f"smallpose.{room}", "reference", "\n".join(parts))


def _public(path: Path) -> list[str]:
    """Functions and classes that the file defines, in its order."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [
        n.name
        for n in ast.parse(path.read_text()).body
        if isinstance(n, kinds) and not n.name.startswith("_")
    ]


def _entry(name: str, value: object) -> str:
    if not callable(value):
        return ""
    try:
        signature = str(inspect.signature(value))
    except (TypeError, ValueError):
        signature = "(…)"
    kind = "class" if inspect.isclass(value) else "def"
    # Values of defaults may carry addresses of this process.
    signature = re.sub(r" at 0x[0-9a-f]+", "", signature)
    head = _coloured(f"{kind} {name}{signature}", "python", "")
    parts = [f'<section class="entry"><pre><code>{head}</code></pre>']
    parts.append(_prose(inspect.getdoc(value) or ""))
    if inspect.isclass(value):
        for own, part in vars(value).items():
            if own.startswith("_") or not (inspect.isfunction(part) or isinstance(part, property)):
                continue
            called = "" if isinstance(part, property) else str(inspect.signature(part))
            parts.append(f"<h4><code>.{own}{html.escape(called)}</code></h4>")
            parts.append(_prose(inspect.getdoc(part) or ""))
    return "\n".join([*parts, "</section>"])


def _prose(text: str) -> str:
    """A docstring of ours: sentences, and indented parts that keep their lines."""
    blocks = []
    for block in re.split(r"\n\s*\n|\n(?=(?:Args|Returns|Raises|>>>)\b)", inspect.cleandoc(text)):
        code = block.startswith(">>>")
        if code or re.match(r"(Args|Returns|Raises):", block):
            blocks.append(f'<pre class="{"code" if code else "args"}">{html.escape(block)}</pre>')
        elif block.strip():
            said = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(block))
            blocks.append(f"<p>{said}</p>")
    return "\n".join(blocks)


def build(out: Path) -> list[Page]:
    """Write the site into `out`; pictures that pages show are copied beside them."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=False)
    template = environment.get_template("page.html")
    made = pages()
    day, night = (HtmlFormatter(style=s).get_style_defs(".page") for s in ("friendly", "monokai"))
    for page in made:
        text = template.render(
            page=page,
            pages=made,
            version=smallpose.__version__,
            day=day,
            night=night,
            style=(HERE / "style.css").read_text(),
        )
        write_atomically(out / f"{page.name}.html", text)
    for picture in (HOUSE / "docs").rglob("*"):
        if picture.suffix in (".png", ".svg", ".webp"):
            target = out / picture.relative_to(HOUSE / "docs")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, target)
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="docs/ as static HTML")
    parser.add_argument("--out", type=Path, default=HOUSE / "build" / "docs")
    where = parser.parse_args().out
    print(f"{len(build(where))} pages; open {where / 'index.html'}")
