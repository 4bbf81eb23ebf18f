"""Reading the source of a notebook's cell without running it: what it checks, what it claims, what nbval will not like.

>>> checked_exercises('teach.check("01.3", header)')
['01.3']
>>> literal_conclusions('print("Q4_K is better")')
['Q4_K is better']
>>> literal_conclusions('assert q4_k < q4_0\\nprint("Q4_K is better")')
[]
>>> pitfalls("plt.plot(x);")
['the semicolon at the end hides nothing in the lane; write _ = ... instead']
"""

import ast
import re

# Words that compare: a sentence with one of them is a conclusion.
_COMPARISON = re.compile(
    r"\b(lower|higher|less|fewer|more|most|smaller|smallest|larger|largest|bigger|biggest|greater|greatest|better|best"
    r"|worse|worst|faster|fastest|slower|slowest|shorter|longer|equal|equals|identical|same|differs?|exceeds|beats)\b",
    re.IGNORECASE,
)
_SHOWN = {"print", "display", "Markdown", "HTML"}
_NUMBER = re.compile(r"(?<![\w-])-?\d")  # not the digits of a name: Q4_0, UTF-8, float32
_COMPARING_CALLS = {"all", "any", "array_equal", "allclose", "isclose", "isinstance", "bool"}


def parse(source: str) -> ast.Module:
    """The cell's syntax tree; lines for IPython or the shell (`%`, `!`) are left out."""
    lines = [re.sub(r"^(\s*)[%!].*", r"\1pass", line) for line in source.splitlines()]
    return ast.parse("\n".join(lines))


def checked_exercises(source: str) -> list[str]:
    """The ids that `teach.check("...", ...)` is called with."""
    return [
        call.args[0].value
        for call in _calls(parse(source))
        if _name(call) == "check" and call.args and isinstance(call.args[0], ast.Constant)
    ]


def pitfalls(source: str) -> list[str]:
    """What behaves differently without a history of inputs and outputs."""
    used = {
        node.id for node in ast.walk(parse(source)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    found = [
        f"{name} needs the history, which the lane does not keep" for name in ("_", "__", "Out", "In") if name in used
    ]
    if re.search(r";\s*(#.*)?$", source):
        found.append("the semicolon at the end hides nothing in the lane; write _ = ... instead")
    return found


def literal_conclusions(source: str) -> list[str]:
    """The texts that are shown as they stand in the source and state a number or a comparison.

    A text is excused when the cell asserts something, or when a comparison is computed beside it. A text with computed
    parts may hold literal numbers (`f"block 3 of {n}"`), but no comparing word.
    """
    tree = parse(source)
    if _asserts(tree):
        return []
    found = []
    for call in _calls(tree):
        shown = call.args if _name(call) in _SHOWN else [word.value for word in call.keywords if word.arg == "alt"]
        text = " ".join(_literal_text(node) for node in shown)
        computed = any(not _is_literal(node) for node in shown)
        claims = _COMPARISON.search(text) or (_NUMBER.search(text) and not computed)
        if claims and not any(_compares(node) for node in shown):
            found.append(text)
    return found


def _calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _name(call: ast.Call) -> str:
    """`f` for f(x), `g` for a.b.g(x)."""
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def _literal_text(node: ast.expr) -> str:
    """The words of an argument that stand in the source: a string, the fixed parts of an f-string, a sum of them."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_literal_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp):
        return _literal_text(node.left) + _literal_text(node.right)
    return "…"


def _is_literal(node: ast.expr) -> bool:
    return not any(isinstance(part, (ast.Name, ast.Call, ast.Attribute)) for part in ast.walk(node))


def _compares(node: ast.expr) -> bool:
    """Is something compared in this expression?"""
    return any(
        isinstance(part, (ast.Compare, ast.BoolOp)) or (isinstance(part, ast.Call) and _name(part) in _COMPARING_CALLS)
        for part in ast.walk(node)
    )


def _asserts(tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Assert) or (isinstance(node, ast.Call) and _name(node).startswith("assert_"))
        for node in ast.walk(tree)
    )
