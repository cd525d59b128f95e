"""A syntax tree to its mutants: one small, plausible mistake each. Words of messages are left alone: they are noise."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Replacement = ast.AST | list[ast.stmt]

FLIPS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
SWAPS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
OTHER_CALL = {"sorted": "list", "reversed": "list", "min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One mistake: `lines` are those whose execution can show it, none where that is the import; `where` the function."""

    number: int
    where: str
    line: int
    lines: range
    text: str
    put: Callable[[], None]


def mutants(tree: ast.Module) -> Iterator[Mutant]:
    """Every mutant of a module. `put` changes the tree in place, so a process can put one only."""
    number = 0
    for node, slots, where, lines in _walk(tree, "", range(0)):
        for text, change in _changes(node):
            if isinstance(change, str):
                put = lambda node=node, text=text: _drop(node, text)  # noqa: E731  # one expression
            else:
                put = lambda slots=slots, change=change: slots(change)  # noqa: E731  # one expression
            yield Mutant(number, where, getattr(node, "lineno", lines.start), lines, text, put)
            number += 1


def _walk(node: ast.AST, where: str, lines: range) -> Iterator[tuple[ast.AST, Callable[..., Any], str, range]]:
    """Each expression and statement, with how to put another in its place."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list") or (isinstance(node, ast.Assert)):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or _docstring(node, field, index, child):
                continue
            inner, place = where, lines
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                inner = f"{where}.{child.name}".lstrip(".")
            if isinstance(child, ast.stmt) and isinstance(
                node, (ast.FunctionDef, ast.stmt, ast.ExceptHandler, ast.match_case)
            ):
                body = getattr(child, "body", None)
                end = body[0].lineno if body and isinstance(body, list) else (child.end_lineno or child.lineno) + 1
                inside = not isinstance(node, ast.ClassDef)
                place = range(child.lineno, max(end, child.lineno + 1)) if inside else range(0)
            elif field in ("defaults", "kw_defaults"):
                place = range(0)
            yield child, _slot(node, field, index, isinstance(value, list)), inner, place
            yield from _walk(child, inner, place)


def _slot(node: ast.AST, field: str, index: int, is_list: bool) -> Callable[[Replacement], None]:
    def put(change: Replacement) -> None:
        if is_list:
            getattr(node, field)[index : index + 1] = change if isinstance(change, list) else [change]
        else:
            setattr(node, field, change)

    return put


def _docstring(node: ast.AST, field: str, index: int, child: ast.AST) -> bool:
    return field == "body" and index == 0 and isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)


def _changes(node: ast.AST) -> Iterator[tuple[str, Replacement | str]]:
    """What to write in place of a node, and in words; a string where something inside it is dropped."""
    was = ast.unparse(node).split("\n")[0] if isinstance(node, (ast.expr, ast.stmt)) else ""
    was = was if len(was) <= 90 else f"{was[:60]} … {was[-25:]}"
    match node:
        case ast.Compare(left, [op], right):
            for other in FLIPS[type(op)]:
                flipped = ast.Compare(left, [other()], right)
                yield f"{was} -> {ast.unparse(flipped)}", flipped
        case ast.BoolOp(op, values):
            other_op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield f"{was} -> {'or' if isinstance(op, ast.And) else 'and'}", ast.BoolOp(other_op, values)
            for index in range(len(values)):
                left_over = values[:index] + values[index + 1 :]
                shorter = ast.BoolOp(op, left_over) if len(left_over) > 1 else left_over[0]
                yield f"{was} -> without {ast.unparse(values[index])}", shorter
        case ast.UnaryOp(ast.Not(), operand):
            yield f"{was} -> {ast.unparse(operand)}", operand
        case ast.Constant(bool() as value):
            yield f"{value} -> {not value}", ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield f"{value} -> {value + 1}", ast.Constant(value + 1)
            yield f"{value} -> {value - 1}", ast.Constant(value - 1)
        case ast.BinOp(left, op, right) if type(op) in SWAPS and not _text(left) and not _text(right):
            swapped = ast.BinOp(left, SWAPS[type(op)](), right)
            yield f"{was} -> {ast.unparse(swapped)}", swapped
        case ast.IfExp(body=body, orelse=orelse):
            yield f"{was} -> always {ast.unparse(body)}", body
            yield f"{was} -> always {ast.unparse(orelse)}", orelse
        case ast.If(body=body, orelse=orelse):
            yield f"{was} -> if True", ast.If(ast.Constant(True), body, orelse)
            yield f"{was} -> if False", ast.If(ast.Constant(False), body, orelse)
        case ast.comprehension(ifs=ifs) if ifs:
            yield f"for ... if {ast.unparse(ifs[0])} -> without the condition", "ifs"
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield f"{was} -> return None", ast.Return(ast.Constant(None))
        case ast.Raise() | ast.Return() | ast.Continue() | ast.Break() | ast.AugAssign() | ast.Delete():
            yield f"{was} -> deleted", ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield f"{was} -> deleted", ast.Pass()
        case ast.Expr(value=ast.Call()):
            yield f"{was} -> deleted", ast.Pass()
        case ast.With(items=[ast.withitem(optional_vars=None)], body=body):
            yield f"{was} -> without it", body
        case ast.ExceptHandler(type=ast.Tuple(elts=types)):
            for index, old in enumerate(types):
                yield f"except -> without {ast.unparse(old)}", f"type {index}"
        case ast.Call(func=ast.Name(id=name), args=[_, *_]) if name in OTHER_CALL:
            yield f"{was} -> {OTHER_CALL[name]}(...)", ast.Call(ast.Name(OTHER_CALL[name], ast.Load()), node.args[:1] if OTHER_CALL[name] == "list" else node.args, [] if OTHER_CALL[name] == "list" else node.keywords)  # fmt: skip
        case ast.Call(args=[first, second, *rest]) if not isinstance(first, ast.Starred) and not isinstance(
            second, ast.Starred
        ):
            yield f"{was} -> arguments swapped", ast.Call(node.func, [second, first, *rest], node.keywords)
    if isinstance(node, ast.Call):
        for index, keyword in enumerate(node.keywords):
            yield f"{was} -> without {keyword.arg}=", f"keyword {index}"


def _drop(node: ast.AST, text: str) -> None:
    _, change = next((t, c) for t, c in _changes(node) if t == text and isinstance(c, str))
    what, _, index = str(change).partition(" ")
    match node:
        case ast.comprehension():
            node.ifs = node.ifs[1:]
        case ast.ExceptHandler(type=ast.Tuple(elts=elts)):
            del elts[int(index)]
        case ast.Call(keywords=keywords):
            del keywords[int(index)]
    assert what in ("ifs", "type", "keyword")


def _text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
