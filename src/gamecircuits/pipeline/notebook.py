"""Run the cells of a notebook, without Jupyter, and keep what they print and draw."""

import ast
import base64
import contextlib
import io
import json
import os
from pathlib import Path
from typing import Any

Output = dict[str, Any]


def run_notebook(path: Path | str) -> str:
    """The text of a notebook with the outputs that its cells have now.

    They run in order, in the folder of the notebook, as they would in Jupyter: what is printed, the
    value of the last line, and the figures that matplotlib has open are the outputs of a cell.
    """
    os.environ.setdefault("MPLBACKEND", "agg")
    notebook = json.loads(Path(path).read_text(encoding="utf-8"))
    namespace: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    with contextlib.chdir(Path(path).parent):
        for number, cell in enumerate(cells, start=1):
            cell["outputs"] = _run_cell("".join(cell["source"]), f"cell {number}", namespace)
            cell["execution_count"] = number
            for output in cell["outputs"]:
                if output["output_type"] == "execute_result":
                    output["execution_count"] = number
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def read_outputs(text: str) -> list[str]:
    """What the cells of a notebook print and what their last lines are worth, one text each."""
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return ["".join(map(_read_output, cell["outputs"])) for cell in cells]


def _read_output(output: Output) -> str:
    if output["output_type"] == "stream":
        return "".join(output["text"])
    return "".join(output["data"]["text/plain"]) + "\n"


def _run_cell(source: str, name: str, namespace: dict[str, Any]) -> list[Output]:
    body = ast.parse(source).body
    value = None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        match body:
            case [*_, ast.Expr(last)]:
                exec(compile(ast.Module(body[:-1], []), name, "exec"), namespace)
                value = eval(compile(ast.Expression(last), name, "eval"), namespace)
            case _:
                exec(compile(ast.Module(body, []), name, "exec"), namespace)
    outputs: list[Output] = []
    if text := printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": _split(text)})
    if value is not None:
        data = {"text/plain": _split(repr(value))}
        outputs.append({"data": data, "metadata": {}, "output_type": "execute_result"})
    return outputs + _take_figures()


def _take_figures() -> list[Output]:
    """The figures that are open, which are closed."""
    from matplotlib import pyplot  # only here: it looks for a screen

    outputs: list[Output] = []
    for number in pyplot.get_fignums():
        figure, buffer = pyplot.figure(number), io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
        pyplot.close(figure)
        image = base64.b64encode(buffer.getvalue()).decode()
        data = {"image/png": image, "text/plain": ["a figure"]}
        outputs.append({"data": data, "metadata": {}, "output_type": "display_data"})
    return outputs


def _split(text: str) -> list[str]:
    return text.splitlines(keepends=True)
