"""One change of meaning at a time: every place in a file where a program could be a little different.

Left alone is what no test should tell apart: docstrings and other texts, annotations, decorators, imports, what is only
there for type checkers, the arguments of what is raised, and everything in an f-string, whose parts Python 3.11 does
not place.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """`source` is the whole file with the change in it; `change` says it as before -> after."""

    line: int
    change: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every change of a file, in its order."""
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    data = source.encode()
    for node, after in (change for place in _places(ast.parse(source)) for change in _changes(place)):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        whole = data[:begin] + after.encode() + data[end:]
        yield Mutant(node.lineno, f"{_in_a_line(data[begin:end].decode())} -> {_in_a_line(after)}", whole.decode())


def _in_a_line(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 60 else words[:57] + "…"


def _places(node: ast.AST, *, within: bool = False) -> Iterator[ast.expr | ast.stmt]:
    """What can be changed in a node; `within` a function or not."""
    within = within or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for name, field in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_ignores"):
            continue
        for child in field if isinstance(field, list) else [field]:
            if not isinstance(child, ast.AST) or _left_alone(child, within):
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield child
            yield from _places(child, within=within)


def _left_alone(node: ast.AST, within: bool) -> bool:
    match node:
        case ast.Raise() | ast.Import() | ast.ImportFrom() | ast.JoinedStr() | ast.Assert():
            return True
        case ast.Expr(value=ast.Constant()):  # a docstring, or `...`
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Compare(left=ast.Name(id="__name__"))):
            return True
        case ast.BinOp(op=ast.BitOr()):  # outside of functions a type
            return not within
    return False


def _changes(node: ast.expr | ast.stmt) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """A node, or a part of it, and what can stand in its place."""
    match node:
        case ast.Compare(ops=[op]):
            yield node, _with(node, lambda new: new.ops.__setitem__(0, _COMPARED[type(op)]()))
        case ast.BoolOp(op=op):
            yield node, _with(node, lambda new: setattr(new, "op", ast.Or() if isinstance(op, ast.And) else ast.And()))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield node, f"({ast.unparse(operand)})"
        case ast.BinOp(op=op) if type(op) in _COMPUTED and not (_is_text(node.left) or _is_text(node.right)):
            yield node, _with(node, lambda new: setattr(new, "op", _COMPUTED[type(op)]()))
        case ast.Constant(value=bool(value)):
            yield node, str(not value)
        case ast.Constant(value=int() | float() as value):
            yield node, repr(value + 1)
        case ast.Call(func=ast.Name(id=name)) if name in _CALLED:
            yield node, _with(node, lambda new: setattr(new.func, "id", _CALLED[name]))
        case ast.If(test=test) | ast.IfExp(test=test) if isinstance(test, ast.Name | ast.Attribute | ast.Call):
            yield test, f"(not {ast.unparse(test)})"
        case ast.Return(value=value) if value is not None and not _is_none(value):
            yield node, "return None"
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Delete():
            yield node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield node, "pass"
        case ast.Break():
            yield node, "pass"
        case ast.Continue():
            yield node, "break"


def _with(node: ast.expr, change: Callable[[ast.AST], None]) -> str:
    new = copy.deepcopy(node)
    change(new)
    return f"({ast.unparse(new)})"


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
