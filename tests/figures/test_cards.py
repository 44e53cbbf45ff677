from gamecircuits.figures.cards import FEWEST, choose_cards


def test_cards_are_few_and_begin_with_the_first_figure():
    paths = [f"figures/models/m{n}" for n in range(40)] + ["figures/branching_factor"]
    paths += ["figures/predictions/g", "figures/length_generalization"]
    cards = choose_cards(paths)
    assert cards[:3] == ["figures/length_generalization", "figures/predictions/g", paths[0]]
    assert "figures/branching_factor" not in cards
    assert len(cards) == 12


def test_a_small_run_shows_what_it_has():
    paths = [f"figures/own{n}" for n in range(9)]
    assert choose_cards(paths) == paths[:FEWEST]
    assert choose_cards(["figures/predictions/g", "figures/own"]) == [
        "figures/predictions/g",
        "figures/own",
    ]
    assert choose_cards([]) == []
