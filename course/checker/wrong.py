"""What is said of a wrong answer, and how arrays are shown."""

import numpy as np

from checker.child import Other

MAX_SHOWN = 100  # entries of an array that are shown whole


class Wrong(Exception):
    """An answer is wrong: a sentence, and what there is to see.

    Attributes:
        message: what is wrong, for somebody who has just begun.
        shown: pairs of a label and a value, to be shown below the message.
    """

    def __init__(self, message, shown=()):
        super().__init__(message)
        self.message = message
        self.shown = tuple(shown)


class NotWritten(Wrong):
    """The function is still a stub."""

    def __init__(self):
        super().__init__("not written yet")


class NotLoaded(Wrong):
    """The file fails before any function is called."""


def format_wrong(wrong, indent="    "):
    """Lines of text: the message, then each label with its value."""
    lines = [indent + line for line in wrong.message.splitlines()]
    for label, value in wrong.shown:
        text = show(value)
        if "\n" in text:
            lines += [f"{indent}{label}:", *(f"{indent}    {line}" for line in text.splitlines())]
        else:
            lines.append(f"{indent}{label}: {text}")
    return "\n".join(lines)


def clean(text):
    """Text without what would move the cursor or change colours."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def show(value):
    """A value as text; matrices of a model and large arrays by their shapes."""
    if hasattr(value, "_fields"):
        shapes = (
            f"{name} {np.shape(item)}" for name, item in zip(value._fields, value, strict=True)
        )
        return "random matrices " + ", ".join(shapes)
    if isinstance(value, Other):
        return value.description
    if isinstance(value, np.ndarray):
        if value.size > MAX_SHOWN:
            return f"an array of shape {value.shape}"
        if value.dtype == bool:
            value = value.astype(int)
        return np.array2string(value, precision=3, suppress_small=True, max_line_width=90)
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(show, value)) + ")"
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    return str(value)
