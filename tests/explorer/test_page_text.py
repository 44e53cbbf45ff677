from gamecircuits.claims.claim import load_claims
from gamecircuits.explorer.page import read_theory
from gamecircuits.explorer.text import find_statements, split_caption, statements_of, to_blocks


def test_paragraphs_lists_and_formulas():
    text = "One\nline.\n\n    x = 1\n    y = 2\n\nSuch as:\n- a\n  and b\n- c\n"
    assert to_blocks(text) == [
        ["p", "One line."],
        ["pre", "x = 1\ny = 2"],
        ["p", "Such as:"],
        ["li", "a and b"],
        ["li", "c"],
    ]


def test_a_caption_begins_with_what_to_see():
    found = split_caption("**Title.** See the e.g. diagonal. Lines are models.\n\nMore.")
    assert found == {
        "title": "Title",
        "see": "See the e.g. diagonal.",
        "more": [["p", "Lines are models."], ["p", "More."]],
    }
    assert split_caption("No title.")["see"] == "No title."


def test_every_claim_of_the_theory_has_its_statement():
    statements = find_statements(read_theory())
    for claim in load_claims().values():
        names = statements_of(claim.proved, statements)
        assert bool(names) == (claim.proved != "Notation"), claim.proved
    for name, blocks in statements.items():
        assert blocks[0][1].startswith(f"**{name} ") or blocks[0][1].startswith(f"**{name}.")
        assert not any("*Proof" in text for _, text in blocks), name
