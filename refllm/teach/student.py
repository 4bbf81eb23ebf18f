"""The student's copy of a notebook: the solutions taken out, the rest as it is, nothing run.

A solution stands between two comment lines. At the top level of a cell the names that it defines become stubs
(`answer = ...`; a function keeps its head and its docstring); inside a function it becomes one
`raise NotImplementedError`. So every later `teach.check` finds a name to look at and says that there is no answer yet.

>>> print(without_solutions('''### BEGIN SOLUTION
... version, count = 3, 2
... ### END SOLUTION
... teach.check("01.1", version)'''))
version = ...  # your turn
count = ...  # your turn
teach.check("01.1", version)
>>> print(without_solutions('''def half(n):
...     ### BEGIN SOLUTION
...     return n // 2
...     ### END SOLUTION'''))
def half(n):
    raise NotImplementedError("your turn")
"""

import ast
import copy
import itertools
import re
from collections.abc import Iterable

from refllm.errors import RefllmError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
_REGION = re.compile(rf"^([ ]*){BEGIN}\n(.*?)^\1{END}$", re.DOTALL | re.MULTILINE)
_LOCAL_LINK = re.compile(r"""(\]\(|<img[^>]*\bsrc=["'])(?!\w+:|/|#|\d\d_\w+\.ipynb)""")


def student_copy(notebook):
    """A new notebook for the student, made from the one that has the solutions."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = without_solutions(cell.source)
            cell.outputs, cell.execution_count = [], None
        else:
            cell.source = one_folder_deeper(cell.source)
    return notebook


def without_solutions(source: str) -> str:
    """The source with a stub in the place of every solution."""
    stubbed = _REGION.sub(lambda region: _stub(region[1], region[2]), source)
    if BEGIN in stubbed or END in stubbed:
        raise RefllmError(f"a solution needs both '{BEGIN}' and '{END}', alone on their lines and equally indented")
    return stubbed


def one_folder_deeper(markdown: str) -> str:
    """Links to files beside the notebook, as they read from `student/`; the other lessons have copies there too.

    >>> one_folder_deeper("![a block](images/block.png), [next](02_blocks.ipynb), [web](https://example.com)")
    '![a block](../images/block.png), [next](02_blocks.ipynb), [web](https://example.com)'
    """
    return _LOCAL_LINK.sub(r"\1../", markdown)


def _stub(indent: str, solution: str) -> str:
    if indent:
        return f'{indent}raise NotImplementedError("your turn")'
    stubs = [stub for statement in ast.parse(solution).body for stub in _stubs_of(statement, solution)]
    return _spaced(dict.fromkeys(stubs)) or "...  # your turn"


def _spaced(stubs: Iterable[str]) -> str:
    """The stubs as lines, with two empty ones around a function, as it is written in Python."""
    text = ""
    for before, stub in itertools.pairwise(("", *stubs)):
        functions = stub.endswith(")") or before.endswith(")")
        text += ("\n\n\n" if functions else "\n") * bool(before) + stub
    return text


def _stubs_of(statement: ast.stmt, solution: str) -> list[str]:
    """What defines the names that `statement` defines, without saying how."""
    if isinstance(statement, ast.FunctionDef):
        head = ast.FunctionDef(**{**vars(statement), "body": [ast.Pass()]})
        lines = [ast.unparse(head).removesuffix("\n    pass")]
        if ast.get_docstring(statement) is not None:
            lines.append(f"    {ast.get_source_segment(solution, statement.body[0])}")
        return ["\n".join([*lines, '    raise NotImplementedError("your turn")'])]
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return []
    names = [node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return [f"{name} = ...  # your turn" for name in names]
