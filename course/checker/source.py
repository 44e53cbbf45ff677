"""What can be said about a student's file without running it."""

import ast
import warnings
from pathlib import Path

from checker.wrong import Wrong

LOOPS = (ast.For, ast.While, ast.AsyncFor, ast.comprehension)
HIDDEN_LOOPS = {
    *("map", "filter", "reduce", "exec", "eval", "vectorize", "frompyfunc", "fromiter"),
    *("apply_along_axis", "apply_over_axes", "nditer", "ndenumerate", "ndindex", "piecewise"),
}
REDUCE = {"reduce", "functools.reduce"}  # np.add.reduce is no loop in Python


class Source:
    """The syntax tree of a file.

    Attributes:
        functions: its functions and classes by name, and what is assigned to one.
    """

    def __init__(self, file):
        self.file = Path(file)
        try:
            with warnings.catch_warnings(action="ignore"):
                tree = ast.parse(self.file.read_bytes())
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            line = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
            reason = error.args[0] if error.args else "it is nested too deeply"
            raise Wrong(f"{self.file.name} is no Python: {line}{reason}") from error
        self.functions = {}
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                self.functions[node.name] = node
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                self.functions |= {t.id: node for t in targets if isinstance(t, ast.Name)}

    def line_of(self, name):
        """The line where a function begins, or None."""
        return self.functions[name].lineno if name in self.functions else None

    def uses(self, name):
        """The functions of the file that a function names, directly or not, and itself."""
        found, todo = [], [name]
        while todo:
            name = todo.pop()
            if name in self.functions and name not in found:
                found.append(name)
                todo += sorted(names_in(self.functions[name]))
        return found

    def refuse_loops(self, name, replaced=()):
        """Raise `Wrong` where a function, or one that it calls, has a loop in Python."""
        if name not in self.functions:
            raise Wrong(f"{name} is not in {self.file.name}: write it there, without a loop")
        for user in self.uses(name):
            if user in replaced:
                continue
            node = self.functions[user]
            where = "" if user == name else f" ({user}, which it calls)"
            if loop := find_loop(node, user):
                raise Wrong(
                    f"a loop in Python in line {loop.lineno}{where}: this is the hot function; "
                    "compare whole arrays instead"
                )


def names_in(node):
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def find_loop(node, name):
    """The first loop below a node, or what hides one: a call of itself is one, too."""
    for part in ast.walk(node):
        if isinstance(part, LOOPS):
            return part if hasattr(part, "lineno") else part.target
        if isinstance(part, ast.Call):
            called = part.func
            word = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            is_ufunc_method = word == "reduce" and ast.unparse(called) not in REDUCE
            if (word in HIDDEN_LOOPS and not is_ufunc_method) or (
                word == name and isinstance(called, ast.Name)
            ):
                return part
    return None
