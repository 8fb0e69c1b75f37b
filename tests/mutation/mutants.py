"""Mutants of C and Python source: one small change each, such as `<` for `<=`."""

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """A file with one change.

    Args:
        file: below `src/smallpose`.
        start, end: the part of its text that is replaced.
        old, new: that part and its replacement.
        line: number of the line, from 1.
        after: the first changed line, stripped, with which lists of equivalent mutants name it.
    """

    file: str
    start: int
    end: int
    old: str
    new: str
    line: int
    after: str

    def apply(self, text: str) -> str:
        """Return the text of the file with the change."""
        return text[: self.start] + self.new + text[self.end :]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.after}"


def _make_mutant(file: str, text: str, start: int, end: int, new: str) -> Mutant:
    changed = text[:start] + new + text[end:]
    line_start = text.rfind("\n", 0, start) + 1
    line_end = changed.find("\n", start + len(new))
    after = " ".join(changed[line_start:line_end].split())
    return Mutant(file, start, end, text[start:end], new, text.count("\n", 0, start) + 1, after)


def list_mutants(file: str, text: str) -> list[Mutant]:
    """Return all mutants of a C or Python file that differ from it, in the order of the text."""
    find = _find_in_c if Path(file).suffix == ".c" else _find_in_python
    changes = sorted(set(find(text)))
    return [_make_mutant(file, text, *c) for c in changes if text[c[0] : c[1]] != c[2]]


Change = tuple[int, int, str]  # start, end, replacement

# Code is formatted: a binary operator of C stands between blanks, the star of a pointer does not.
_C_OPERATORS = [
    ("<", "<="),
    ("<=", "<"),
    (">", ">="),
    (">=", ">"),
    ("==", "!="),
    ("!=", "=="),
    ("+", "-"),
    ("-", "+"),
    ("*", "/"),
    ("/", "*"),
    ("%", "/"),
    ("+=", "-="),
    ("-=", "+="),
    ("|=", "="),
    ("&=", "="),
    ("&&", "||"),
    ("||", "&&"),
    ("&", "|"),
    ("|", "&"),
    ("<<", ">>"),
    (">>", "<<"),
]
_C_PATTERNS = [
    *((re.compile(rf"(?<= ){re.escape(old)}(?= |\n)"), new) for old, new in _C_OPERATORS),
    (re.compile(r"!(?=[\w(])"), ""),
    (re.compile(r"(?<=\w)\+\+(?=[\];,) ])"), "--"),
    (re.compile(r"\bcontinue;"), "break;"),
    (re.compile(r"\bbreak;"), "continue;"),
    (re.compile(r"(?<=return )-1(?=;)"), "0"),
    (re.compile(r"(?<=return )0(?=;)"), "-1"),  # of most functions only the sign is tested
    (re.compile(r"(?<=return )1(?=;)"), "0"),
    # A conditional statement, or an assignment to a field or an element, is left out.
    (re.compile(r"(?<= )if \((?!failed)[^\n]*\) (?:return|continue|break)[^;\n]*;"), ";"),
    (re.compile(r"(?<=\n)[ ]+(?:\w+->|\w+\[|\*)[^=\n;]*[-+|&]?= [^;\n]*;"), ";"),
]
_C_NUMBER = re.compile(
    r"(?<!return )(?<![\w.-])(0x[0-9A-Fa-f]+|\d+)(?=[uUlL]*\b)(?![\w.]*\.)(?!\.)"
)

# Lines with memory, arguments and buffers of calls: a change there is a leak or an access out of
# bounds, for which sanitizers are the test.
_C_LEFT_OUT = re.compile(
    r"malloc|free\(|release\(|PyBuffer|PyArg|Py_buffer|PyErr|PyModule|METH_|\.buf|\.len|^#include"
    r"|^#if|^#el|^#endif|sig|^static const double TENS|\[\d+\];|= \{0\}|^\s+[{&\d][^=]*,$"
)


def _find_in_c(text: str) -> Iterator[Change]:
    code = _blank_c_comments_and_strings(text)
    code = _blank_dead_branches(code)
    is_left_out = [bool(_C_LEFT_OUT.search(line)) for line in code.split("\n")]

    def is_used(start: int) -> bool:
        return not is_left_out[code.count("\n", 0, start)]

    for pattern, new in _C_PATTERNS:
        for match in pattern.finditer(code):
            if is_used(match.start()):
                yield match.start(), match.end(), new
    for match in _C_NUMBER.finditer(code):
        if is_used(match.start()):
            yield match.start(), match.end(), str(int(match[0], 0) + 1)
    for match in re.finditer(r"'[^'\\]'", text):
        if code[match.start()] == "'" and is_used(match.start()):
            yield match.start(), match.end(), f"'{chr(ord(match[0][1]) + 1)}'"


def _blank_c_comments_and_strings(text: str) -> str:
    pattern = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\])'", re.DOTALL)

    def blank(match: re.Match[str]) -> str:
        if match[0].startswith("/*"):
            return re.sub(r"[^\n]", " ", match[0])
        return match[0][0] + "_" * (len(match[0]) - 2) + match[0][0]

    return pattern.sub(blank, text)


def _blank_dead_branches(code: str) -> str:
    """Blank what is not compiled here (`#else` to `#endif`), and the parsing of arguments."""
    pattern = re.compile(r"(?<=\n)#else.*?\n#endif", re.DOTALL)
    arguments = re.compile(r"if \(!PyArg_ParseTuple\(.*?return NULL;", re.DOTALL)
    for dead in (pattern, arguments):
        code = dead.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), code)
    return code


_PYTHON_COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_PYTHON_OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_PYTHON_WORDS = {
    "left": "right",
    "right": "left",
    "minimum": "maximum",
    "maximum": "minimum",
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
}


def _find_in_python(text: str) -> Iterator[Change]:
    line_starts = [0]
    for line in text.split("\n"):
        line_starts.append(line_starts[-1] + len(line) + 1)
    encoded = [line.encode() for line in text.split("\n")]

    def locate(line: int, column: int) -> int:
        return line_starts[line - 1] + len(encoded[line - 1][:column].decode())

    for node in _walk_code(ast.parse(text)):
        for mutated in _mutate_node(node):
            start = locate(node.lineno, node.col_offset)
            end = locate(node.end_lineno, node.end_col_offset)
            yield start, end, mutated


def _walk_code(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree without annotations, docstrings, imports and raised errors."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            is_left_out = isinstance(child, ast.Import | ast.ImportFrom | ast.Raise | ast.JoinedStr)
            if isinstance(child, ast.AST) and not is_left_out:
                yield child
                yield from _walk_code(child)


def _mutate_node(node: ast.AST) -> Iterator[str]:
    """Yield the texts that may replace a node."""
    if isinstance(node, ast.Compare):
        for i, operator in enumerate(node.ops):
            changed = copy.deepcopy(node)
            changed.ops[i] = _PYTHON_COMPARISONS[type(operator)]()
            yield f"({ast.unparse(changed)})"
    if isinstance(node, ast.BinOp) and type(node.op) in _PYTHON_OPERATORS:
        changed = copy.deepcopy(node)
        changed.op = _PYTHON_OPERATORS[type(node.op)]()
        yield f"({ast.unparse(changed)})"
    if isinstance(node, ast.BoolOp):
        changed = copy.deepcopy(node)
        changed.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield f"({ast.unparse(changed)})"
    if isinstance(node, ast.UnaryOp):
        yield f"({ast.unparse(node.operand)})"
    if isinstance(node, ast.IfExp):
        test, body, orelse = (ast.unparse(part) for part in (node.test, node.body, node.orelse))
        yield f"({orelse} if {test} else {body})"
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield repr(node.value + 1)
    elif isinstance(node, ast.Constant) and node.value in _PYTHON_WORDS:
        yield repr(_PYTHON_WORDS[node.value])
    if isinstance(node, ast.Attribute) and node.attr in _PYTHON_WORDS:
        yield f"({ast.unparse(node.value)}).{_PYTHON_WORDS[node.attr]}"
    if isinstance(node, ast.Name) and node.id in _PYTHON_WORDS and isinstance(node.ctx, ast.Load):
        yield _PYTHON_WORDS[node.id]
    if isinstance(node, ast.AugAssign | ast.Continue) or _sets_element(node) or _is_call(node):
        yield "pass"


def _sets_element(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple)


def _is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
