"""Small changes to a module, each of which a test should notice."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_CALLED = {"any": "all", "all": "any", "min": "max", "max": "min", "fullmatch": "match", "startswith": "endswith",
           "endswith": "startswith", "issubset": "issuperset", "isdisjoint": "issubset"}  # fmt: skip
_TYPES = frozenset({"Callable", "Mapping", "Sequence", "dict", "frozenset", "list", "set", "tuple", "type"})
_WORDS = frozenset({"hint", "what", "detail"})
"""Arguments that only people read: changing them changes no verdict."""


@dataclass(frozen=True)
class Mutant:
    """One change: to the node that `number` counts to in `ast.walk`, by the operator of this name."""

    module: str
    number: int
    operator: str
    line: int
    before: str
    after: str
    occurrence: int = 1
    """The number of this mutant among those of the module with the same operator and text."""

    def __str__(self) -> str:
        return f"{self.module}:{self.line}  {self.operator}: {self.before} -> {self.after}"


def mutants_of(module: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its nodes."""
    occurrences: Counter[tuple[str, str, str]] = Counter()
    tree = ast.parse(source)
    skipped = _skipped(tree)
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in skipped:
            continue
        for operator, change in _changes(node):
            before = ast.unparse(node)
            changed = change(copy.deepcopy(node))
            after = ast.unparse(changed) if changed is not None else "(nothing)"
            if before != after:
                same = (operator, before[:120], after[:120])
                occurrences[same] += 1
                yield Mutant(module, number, operator, getattr(node, "lineno", 0), *same[1:], occurrences[same])


def mutated(source: str, mutant: Mutant) -> ast.Module:
    """The module's tree with the change made."""
    tree = ast.parse(source)
    target = next(node for number, node in enumerate(ast.walk(tree)) if number == mutant.number)
    change = dict(_changes(target))[mutant.operator]
    replacement = change(copy.deepcopy(target))

    class Replace(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST | None:
            return replacement if node is target else self.generic_visit(node)

    return ast.fix_missing_locations(Replace().visit(tree))


def _skipped(tree: ast.AST) -> set[int]:
    """Nodes in which no change matters: annotations, `__repr__` and `__str__`, errors, logs, type-checking blocks."""
    roots: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            roots += [item.annotation for item in ast.walk(node) if isinstance(item, ast.arg) and item.annotation]
            roots += [node.returns] if node.returns else []
            roots += node.decorator_list
            roots += [node] if node.name in ("__repr__", "__str__") else []
        elif isinstance(node, ast.AnnAssign):
            roots.append(node.annotation)
        elif isinstance(node, ast.keyword) and node.arg in _WORDS:
            roots.append(node.value)
        elif isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom) or _is_for_types(node) or _is_type(node):
            roots.append(node)
        elif isinstance(node, ast.Raise):
            roots += ast.iter_child_nodes(node)
        elif _speaks(node):
            roots.append(node)
    return {id(item) for root in roots for item in ast.walk(root)}


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _is_type(node: ast.AST) -> bool:
    """Whether it is a type such as `Callable[[str], bool]` outside annotations. Only mypy reads what is in it."""
    return isinstance(node, ast.Subscript) and ast.unparse(node.value) in _TYPES


def _speaks(node: ast.AST) -> bool:
    """Whether it is a line of a log, or the list of a module's own names."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ast.unparse(node.value.func).startswith("logger.")
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST | None]]]:
    match node:
        case ast.Compare():
            for at, operator in enumerate(node.ops):
                if type(operator) in _COMPARED:
                    yield f"compare {at}", lambda found, at=at: _with_operator(found, at)
        case ast.BoolOp():
            yield "and/or", _with_other_word
            for at in range(len(node.values)):
                yield f"drop operand {at}", lambda found, at=at: _without_operand(found, at)
        case ast.UnaryOp(op=ast.Not()):
            yield "drop not", lambda found: found.operand
        case ast.If() | ast.IfExp() | ast.While():
            for value in (True, False):
                if not (isinstance(node, ast.While) and value):
                    yield f"condition {value}", lambda found, value=value: _with_test(found, value)
        case ast.Raise():
            yield "drop raise", lambda _: ast.Pass()
        case ast.Expr(value=ast.Call()) | ast.Expr(value=ast.YieldFrom()) | ast.Expr(value=ast.Yield()):
            yield "drop call", lambda _: ast.Pass()
        case ast.Return(value=ast.expr()) if not isinstance(node.value, ast.Constant):
            yield "return None", lambda _: ast.Return(ast.Constant(None))
        case ast.Constant(value=bool()):
            yield "flip", lambda found: ast.Constant(not found.value)
        case ast.Constant(value=int()):
            yield "one more", lambda found: ast.Constant(found.value + 1)
        case ast.Tuple(ctx=ast.Load()) | ast.List(ctx=ast.Load()) | ast.Set():
            for at in range(len(node.elts) if len(node.elts) > 1 else 0):
                yield f"drop element {at}", lambda found, at=at: _without_element(found, at)
        case ast.Call():
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in _CALLED:
                yield "other call", lambda found: _with_name(found, _CALLED)
            if len(node.args) == 2 and not node.keywords and not any(isinstance(a, ast.Starred) for a in node.args):
                yield "swap arguments", lambda found: ast.Call(found.func, found.args[::-1], [])
        case ast.Continue():
            yield "break", lambda _: ast.Break()
        case ast.Break():
            yield "continue", lambda _: ast.Continue()


def _with_other_word(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.BoolOp)
    return ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values)


def _with_operator(node: ast.AST, at: int) -> ast.AST:
    assert isinstance(node, ast.Compare)
    node.ops[at] = _COMPARED[type(node.ops[at])]()
    return node


def _without_operand(node: ast.AST, at: int) -> ast.AST:
    assert isinstance(node, ast.BoolOp)
    rest = [value for number, value in enumerate(node.values) if number != at]
    return rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def _without_element(node: ast.AST, at: int) -> ast.AST:
    assert isinstance(node, ast.Tuple | ast.List | ast.Set)
    del node.elts[at]
    return node


def _with_test(node: ast.AST, value: bool) -> ast.AST:
    assert isinstance(node, ast.If | ast.IfExp | ast.While)
    node.test = ast.Constant(value)
    return node


def _with_name(node: ast.AST, names: dict[str, str]) -> ast.AST:
    assert isinstance(node, ast.Call)
    if isinstance(node.func, ast.Name):
        node.func.id = names[node.func.id]
    else:
        assert isinstance(node.func, ast.Attribute)
        node.func.attr = names[node.func.attr]
    return node
