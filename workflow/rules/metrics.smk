def shards_to_evaluate(stage):
    """Shards of the evaluated game; none when every context is gone through instead."""

    def shards(w):
        if PLAN.is_exhaustive(w.evaluation):
            return []
        return PLAN.all_shards(stage, PLAN.config.evaluations[w.evaluation].game.name)

    return shards


rule evaluate_model:
    input:
        model=PLAN.path("construct_model"),
        games=shards_to_evaluate("generate_games"),
        masks=shards_to_evaluate("compute_masks"),
    output:
        PLAN.path("evaluate_model"),
    log:
        f"{RESULTS}/logs/evaluate_model/{{evaluation}}-{{model}}.log",
    threads: lambda w: PLAN.threads(w.evaluation)
    params:
        job=lambda w: PLAN.job("evaluate_model", evaluation=w.evaluation, model=w.model),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.evaluate_model --job {params.job:q}"
        " --model {input.model} --games {input.games} --masks {input.masks}"
        " --threads {threads} --output {output} > {log} 2>&1"


rule collect_metrics:
    input:
        [
            PLAN.path("evaluate_model", evaluation=evaluation, model=model)
            for evaluation, model in PLAN.evaluated
        ],
    output:
        table=PLAN.path("collect_metrics"),
        csv=f"{RESULTS}/tables/metrics.csv",
    log:
        f"{RESULTS}/logs/collect_metrics.log",
    params:
        job=lambda w: PLAN.job("collect_metrics"),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.collect_metrics --job {params.job:q}"
        " --metrics {input} --output {output.table} --csv {output.csv} > {log} 2>&1"
