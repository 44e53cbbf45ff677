rule train_trials:
    input:
        games=lambda w: PLAN.games_of_search(w.search),
    output:
        trials=PLAN.path("train_trials"),
        weights=f"{RESULTS}/searches/{{search}}/{{group}}/weights.safetensors",
        trajectory=f"{RESULTS}/searches/{{search}}/{{group}}/trajectory.safetensors",
    log:
        f"{RESULTS}/logs/train_trials/{{search}}-{{group}}.log",
    benchmark:
        f"{RESULTS}/logs/train_trials/{{search}}-{{group}}.tsv"
    params:
        job=lambda w: PLAN.job("train_trials", search=w.search, group=w.group),
    # The checkpoint is no output: outputs of a job that fails are removed, but it goes on from this.
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.train_trials --job {params.job:q}"
        " --games {input.games} --output {output.trials} --weights {output.weights}"
        " --trajectory {output.trajectory}"
        " --checkpoint {RESULTS}/checkpoints/{wildcards.search}-{wildcards.group}.safetensors"
        " > {log} 2>&1"


rule measure_trials:
    input:
        trials=PLAN.path("train_trials"),
        weights=f"{RESULTS}/searches/{{search}}/{{group}}/weights.safetensors",
        trajectory=f"{RESULTS}/searches/{{search}}/{{group}}/trajectory.safetensors",
        games=lambda w: PLAN.games_of_search(w.search),
    output:
        metrics=PLAN.path("measure_trials"),
        dynamics=f"{RESULTS}/searches/{{search}}/{{group}}/dynamics.parquet",
        noise=f"{RESULTS}/searches/{{search}}/{{group}}/noise.parquet",
        circuits=f"{RESULTS}/searches/{{search}}/{{group}}/circuits.parquet",
    log:
        f"{RESULTS}/logs/measure_trials/{{search}}-{{group}}.log",
    params:
        job=lambda w: PLAN.job("measure_trials", search=w.search, group=w.group),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.measure_trials --job {params.job:q}"
        " --trials {input.trials} --games {input.games} --output {output.metrics}"
        " --dynamics {output.dynamics} --noise {output.noise} --circuits {output.circuits}"
        " > {log} 2>&1"


rule collect_search:
    input:
        metrics=lambda w: PLAN.all_groups("measure_trials", w.search),
    output:
        metrics=PLAN.path("collect_search"),
        trials=f"{RESULTS}/tables/search_{{search}}_trials.parquet",
        dynamics=f"{RESULTS}/tables/search_{{search}}_dynamics.parquet",
        noise=f"{RESULTS}/tables/search_{{search}}_noise.parquet",
        circuits=f"{RESULTS}/tables/search_{{search}}_circuits.parquet",
        effects=f"{RESULTS}/tables/search_{{search}}_effects.parquet",
        mechanisms=f"{RESULTS}/tables/search_{{search}}_mechanisms.parquet",
        moderators=f"{RESULTS}/tables/search_{{search}}_moderators.parquet",
        effects_csv=f"{RESULTS}/tables/search_{{search}}_effects.csv",
        mechanisms_csv=f"{RESULTS}/tables/search_{{search}}_mechanisms.csv",
        moderators_csv=f"{RESULTS}/tables/search_{{search}}_moderators.csv",
    log:
        f"{RESULTS}/logs/collect_search/{{search}}.log",
    params:
        job=lambda w: PLAN.job("collect_search", search=w.search),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.collect_search --job {params.job:q}"
        " --metrics {input.metrics} --output {output.metrics} --trials {output.trials}"
        " --dynamics {output.dynamics} --noise {output.noise} --circuits {output.circuits}"
        " --effects {output.effects} --effects_csv {output.effects_csv}"
        " --mechanisms {output.mechanisms} --mechanisms_csv {output.mechanisms_csv}"
        " --moderators {output.moderators} --moderators_csv {output.moderators_csv} > {log} 2>&1"


rule plot_search:
    input:
        PLAN.path("collect_search"),
    output:
        table=PLAN.path("plot_search"),
        csv=f"{RESULTS}/tables/{{search_figure}}_{{search}}.csv",
        png=image(
            "{search_figure}_{search}",
            "png",
            caption="../report/training.rst",
            category="8 Training",
            labels=lambda w: {"figure": w.search_figure.replace("_", " "), "search": w.search},
        ),
        svg=image("{search_figure}_{search}", "svg"),
    log:
        f"{RESULTS}/logs/plot_search/{{search_figure}}_{{search}}.log",
    wildcard_constraints:
        search_figure="|".join(SEARCH_FIGURES),
    params:
        job=lambda w: PLAN.job("plot_search", search_figure=w.search_figure, search=w.search),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.plot_search --job {params.job:q} --search {input}" + DRAW
