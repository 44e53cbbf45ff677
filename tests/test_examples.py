"""The examples in the documents print what the documents show."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("document", ["README.md", "docs/theory.md"])
def test_examples_print_what_the_document_shows(document):
    """A block of Python, followed by a block of text, is a program and its output."""
    text = (ROOT / document).read_text(encoding="utf-8")
    examples = re.findall(r"```python\n([^`]*)```\n+```text\n([^`]*)```", text)
    assert examples
    for program, shown in examples:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(program, document, "exec"), {})
        assert printed.getvalue() == shown
