"""What the figure of probes shows of their tables."""

from scenarios_probes import draw_probes, make_probed

from gamecircuits.figures.audits.probes import BASE, make_table


def test_the_site_is_the_best_one_in_training():
    tables = make_probed(["owner"], 3, 5, 2, True)
    overall, by_length, fits = tables.values()
    plain = (fits["labels"] == "true") & (fits["weights"] == "trained")
    plain &= (fits["probe"] == "linear") & (fits["fitted_on"] == "trained lengths")
    fits.loc[plain & (fits["layer"] == 0.5), "loss"] = -2  # without an MLP probe
    fits.loc[plain & (fits["layer"] == 2), "loss"] = -1
    table = make_table(tables, 2)
    lengths = table[table["part"] == "by length"]
    assert set(lengths["layer"]) == {2}
    chosen = by_length[(by_length["layer"] == 2) & (by_length["probe"] == "mlp")]
    mlp = lengths[lengths["series"] == "MLP probe"]
    assert mlp["accuracy"].tolist() == chosen["accuracy"].tolist()
    layers = table[table["part"] == "by layer"]
    random = layers[layers["series"] == "random labels"]
    wanted = overall[(overall["labels"] == "random") & (overall["lengths"] == "trained")]
    assert random["accuracy"].tolist() == wanted["accuracy"].tolist()


def test_one_place_is_not_shown_twice():
    assert len(draw_probes(["depth"], places="places").axes) == 2
    figure = draw_probes(["owner"])
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "share of squares", "share of boards", "share of squares",
    ]  # fmt: skip
    assert BASE in {text.get_text() for text in figure.legends[0].get_texts()}
