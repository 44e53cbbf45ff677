# Every figure is a PNG and an SVG, and its data a table of the same name as parquet and CSV.
DRAW = " --output {output.table} --csv {output.csv} --images {output.png} {output.svg} > {log} 2>&1"


def image(name, suffix, **about):
    """An image file; with `about`, it is shown in the report."""
    path = f"{RESULTS}/figures/{name}.{suffix}"
    return report(path, **about) if about else path


rule plot_metrics:
    input:
        PLAN.path("collect_metrics"),
    output:
        table=PLAN.path("plot_metrics"),
        csv=f"{RESULTS}/tables/{{figure}}.csv",
        png=image(
            "{figure}",
            "png",
            caption="../report/metrics.rst",
            category="1 Length generalization",
            labels=lambda w: {"figure": w.figure.replace("_", " ")},
        ),
        svg=image("{figure}", "svg"),
    log:
        f"{RESULTS}/logs/plot_metrics/{{figure}}.log",
    wildcard_constraints:
        figure="|".join(METRIC_FIGURES),
    params:
        job=lambda w: PLAN.job("plot_metrics", figure=w.figure),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.plot_metrics --job {params.job:q} --metrics {input}"
        + DRAW


rule plot_circuits:
    input:
        PLAN.path("construct_model"),
    output:
        table=PLAN.path("plot_circuits"),
        csv=f"{RESULTS}/tables/circuits_{{model}}.csv",
        png=image(
            "circuits_{model}",
            "png",
            caption="../report/circuits.rst",
            category="3 Circuits",
            labels={"model": "{model}"},
        ),
        svg=image("circuits_{model}", "svg"),
    log:
        f"{RESULTS}/logs/plot_circuits/{{model}}.log",
    params:
        job=lambda w: PLAN.job("plot_circuits", model=w.model),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.plot_circuits --job {params.job:q} --model {input}"
        + DRAW


rule plot_predictions:
    input:
        games=lambda w: PLAN.all_shards("generate_games", w.game)[0],
        models=lambda w: [PLAN.path("construct_model", model=m) for m in PLAN.models_on(w.game)],
    output:
        table=PLAN.path("plot_predictions"),
        csv=f"{RESULTS}/tables/predictions_{{game}}.csv",
        png=image(
            "predictions_{game}",
            "png",
            caption="../report/predictions.rst",
            category="5 What the models see",
            labels={"game": "{game}"},
        ),
        svg=image("predictions_{game}", "svg"),
    log:
        f"{RESULTS}/logs/plot_predictions/{{game}}.log",
    params:
        job=lambda w: PLAN.job("plot_predictions", game=w.game),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.plot_predictions --job {params.job:q}"
        " --games {input.games} --models {input.models}" + DRAW


rule plot_games:
    input:
        [PLAN.path("measure_branching", game=game) for game in PLAN.games],
    output:
        table=PLAN.path("plot_games"),
        csv=f"{RESULTS}/tables/{{figure}}.csv",
        png=image(
            "{figure}",
            "png",
            caption="../report/games.rst",
            category="6 Games",
            labels=lambda w: {"figure": w.figure.replace("_", " ")},
        ),
        svg=image("{figure}", "svg"),
    log:
        f"{RESULTS}/logs/plot_games/{{figure}}.log",
    wildcard_constraints:
        figure="|".join(GAME_FIGURES),
    params:
        job=lambda w: PLAN.job("plot_games", figure=w.figure),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.plot_games --job {params.job:q} --branching {input}"
        + DRAW


rule plot_legality:
    input:
        PLAN.path("measure_legality"),
    output:
        table=PLAN.path("plot_legality"),
        csv=f"{RESULTS}/tables/legality_{{game}}.csv",
        png=image(
            "legality_{game}",
            "png",
            caption="../report/legality.rst",
            category="6 Games",
            labels={"figure": "legality {game}"},
        ),
        svg=image("legality_{game}", "svg"),
    log:
        f"{RESULTS}/logs/plot_legality/{{game}}.log",
    params:
        job=lambda w: PLAN.job("plot_legality", game=w.game),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.plot_legality --job {params.job:q} --legality {input}"
        + DRAW


rule plot_filmstrip:
    input:
        lambda w: PLAN.all_shards("generate_games", w.game)[0],
    output:
        table=PLAN.path("plot_filmstrip"),
        csv=f"{RESULTS}/tables/filmstrip_{{game}}.csv",
        png=image(
            "filmstrip_{game}",
            "png",
            caption="../report/filmstrip.rst",
            category="6 Games",
            labels={"figure": "filmstrip {game}"},
        ),
        svg=image("filmstrip_{game}", "svg"),
    log:
        f"{RESULTS}/logs/plot_filmstrip/{{game}}.log",
    params:
        job=lambda w: PLAN.job("plot_filmstrip", game=w.game),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.plot_filmstrip --job {params.job:q} --games {input}"
        + DRAW


rule write_config:
    output:
        table=PLAN.path("write_config"),
        html=report(
            f"{RESULTS}/config.html",
            caption="../report/config.rst",
            category="7 Configuration",
            labels={"file": "config.html"},
        ),
    log:
        f"{RESULTS}/logs/write_config.log",
    params:
        job=lambda w: PLAN.job("write_config"),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.write_config --job {params.job:q}"
        " --output {output.table} --html {output.html} > {log} 2>&1"
