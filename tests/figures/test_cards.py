from gamecircuits.figures.cards import FEWEST, choose_cards
from gamecircuits.kinds import list_modules


def test_cards_are_few_and_begin_with_the_first_figure():
    paths = [f"figures/models/m{n}" for n in range(40)] + ["figures/branching_factor"]
    paths += ["figures/predictions/g", "figures/length_generalization"]
    cards = choose_cards(paths)
    assert cards[:3] == ["figures/length_generalization", "figures/predictions/g", paths[0]]
    assert "figures/branching_factor" not in cards
    assert len(cards) == 12


def test_an_audit_shows_all_that_it_found():
    parts = sorted(
        f"figures/audits/a/m/{kind}" for kind in list_modules("gamecircuits.figures.audits")
    )
    others = [path.replace("/m/", "/other/") for path in parts]
    cards = choose_cards([*parts, *others, "figures/length_generalization"])
    assert cards[0] == "figures/length_generalization"
    assert sorted(cards[1:]) == parts


def test_a_small_run_shows_what_it_has():
    paths = [f"figures/own{n}" for n in range(9)]
    assert choose_cards(paths) == paths[:FEWEST]
    assert choose_cards(["figures/predictions/g", "figures/own"]) == [
        "figures/predictions/g",
        "figures/own",
    ]
    assert choose_cards([]) == []
