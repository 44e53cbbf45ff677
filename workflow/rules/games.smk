rule generate_games:
    output:
        PLAN.path("generate_games"),
    log:
        f"{RESULTS}/logs/generate_games/{{game}}-{{shard}}.log",
    params:
        job=lambda w: PLAN.job("generate_games", game=w.game, shard=w.shard),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.generate_games"
        " --job {params.job:q} --output {output} > {log} 2>&1"


rule compute_masks:
    input:
        PLAN.path("generate_games"),
    output:
        PLAN.path("compute_masks"),
    log:
        f"{RESULTS}/logs/compute_masks/{{game}}-{{shard}}.log",
    params:
        job=lambda w: PLAN.job("compute_masks", game=w.game, shard=w.shard),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.compute_masks"
        " --job {params.job:q} --games {input} --output {output} > {log} 2>&1"


rule measure_branching:
    input:
        games=lambda w: PLAN.all_shards("generate_games", w.game),
        masks=lambda w: PLAN.all_shards("compute_masks", w.game),
    output:
        PLAN.path("measure_branching"),
    log:
        f"{RESULTS}/logs/measure_branching/{{game}}.log",
    params:
        job=lambda w: PLAN.job("measure_branching", game=w.game),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.measure_branching --job {params.job:q}"
        " --games {input.games} --masks {input.masks} --output {output} > {log} 2>&1"


rule measure_legality:
    input:
        lambda w: PLAN.all_shards("generate_games", w.game),
    output:
        PLAN.path("measure_legality"),
    log:
        f"{RESULTS}/logs/measure_legality/{{game}}.log",
    params:
        job=lambda w: PLAN.job("measure_legality", game=w.game),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.measure_legality"
        " --job {params.job:q} --games {input} --output {output} > {log} 2>&1"
