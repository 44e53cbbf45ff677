"""Captions and statements of the theory as the page takes them: short pieces of plain text.

The page sets `**bold**`, `*emphasis*` and code between backticks by itself; see web/prose.js.
"""

import re
from collections.abc import Iterable

HEADINGS = ("Proposition", "Theorem", "Lemma", "Corollary")
STARTS = re.compile(rf"\*\*((?:{'|'.join(HEADINGS)}) \d+[a-z]?)\b")
ENDS = re.compile(r"\*Proof|\*\*|#|---")  # of a statement: whatever begins a paragraph like that


def to_blocks(text: str) -> list[list[str]]:
    """Paragraphs, lists and formulas of a text in reStructuredText or Markdown, in order.

    Returns:
        pairs of a kind and a text: "p", a paragraph on one line; "li", an item of a list; "pre",
        lines that are indented in the source.
    """
    blocks: list[list[str]] = []
    for part in re.split(r"\n\s*\n", text.strip("\n")):
        lines = [line for line in part.splitlines() if line.strip()]
        if not lines:
            continue
        if all(line.startswith("    ") for line in lines):
            blocks.append(["pre", "\n".join(line[4:].rstrip() for line in lines)])
            continue
        for line in lines:
            if line.lstrip().startswith("- "):
                blocks.append(["li", line.strip()[2:]])
            elif line is lines[0]:
                blocks.append(["p", line.strip()])
            else:
                blocks[-1][1] += " " + line.strip()
    return blocks


def split_caption(caption: str) -> dict:
    """A caption's title, its first sentence, which says what to see, and the rest in blocks."""
    first, *rest = to_blocks(caption) or [["p", ""]]
    title, _, text = first[1].removeprefix("**").partition("**")
    if not first[1].startswith("**"):  # a caption without a title
        title, text = "", first[1]
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z])", text.strip())
    more = [["p", " ".join(sentences[1:])]] if sentences[1:] else []
    return {"title": title.rstrip("."), "see": sentences[0], "more": more + rest}


def find_statements(theory: str) -> dict[str, list[list[str]]]:
    """Statements of docs/theory.md without their proofs, as blocks, by "Theorem 2"."""
    found: dict[str, list[list[str]]] = {}
    name = None
    for part in re.split(r"\n\s*\n", theory):
        if start := STARTS.match(part):
            name = start[1]
            found[name] = []
        elif ENDS.match(part):
            name = None
        if name:
            found[name] += to_blocks(part)
    return found


def name_statements(proved: str) -> list[str]:
    """The statements that a claim names: "Propositions 15, 23" is two of them."""
    kind, _, numbers = proved.partition(" ")
    return [f"{kind.removesuffix('s')} {number}" for number in re.findall(r"\d+[a-z]?", numbers)]


def statements_of(proved: str, statements: dict[str, list[list[str]]]) -> list[str]:
    """Those of a claim that are there; "Proposition 20a" is a part of "Proposition 20"."""
    names = [n if n in statements else n.rstrip("abcdef") for n in name_statements(proved)]
    return _unique(name for name in names if name in statements)


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
