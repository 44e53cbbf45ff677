rule train_trials:
    output:
        metrics=PLAN.path("train_trials"),
        trials=f"{RESULTS}/searches/{{search}}/{{group}}/trials.parquet",
        dynamics=f"{RESULTS}/searches/{{search}}/{{group}}/dynamics.parquet",
        noise=f"{RESULTS}/searches/{{search}}/{{group}}/noise.parquet",
        weights=f"{RESULTS}/searches/{{search}}/{{group}}/weights.safetensors",
    log:
        f"{RESULTS}/logs/train_trials/{{search}}-{{group}}.log",
    benchmark:
        f"{RESULTS}/logs/train_trials/{{search}}-{{group}}.tsv"
    params:
        job=lambda w: PLAN.job("train_trials", search=w.search, group=w.group),
    shell:
        "{PYTHON:q} -m gamecircuits.stages.train_trials --job {params.job:q}"
        " --output {output.metrics} --trials {output.trials} --dynamics {output.dynamics}"
        " --noise {output.noise} --weights {output.weights} > {log} 2>&1"


rule collect_search:
    input:
        metrics=lambda w: PLAN.all_groups(w.search),
    output:
        metrics=PLAN.path("collect_search"),
        trials=f"{RESULTS}/tables/search_{{search}}_trials.parquet",
        dynamics=f"{RESULTS}/tables/search_{{search}}_dynamics.parquet",
        noise=f"{RESULTS}/tables/search_{{search}}_noise.parquet",
        effects=f"{RESULTS}/tables/search_{{search}}_effects.parquet",
        csv=f"{RESULTS}/tables/search_{{search}}_effects.csv",
    log:
        f"{RESULTS}/logs/collect_search/{{search}}.log",
    params:
        job=lambda w: PLAN.job("collect_search", search=w.search),
    shell:
        "{PYTHON:q} -m gamecircuits.stages.collect_search --job {params.job:q}"
        " --metrics {input.metrics} --output {output.metrics} --trials {output.trials}"
        " --dynamics {output.dynamics} --noise {output.noise} --effects {output.effects}"
        " --csv {output.csv} > {log} 2>&1"


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
        "{PYTHON:q} -m gamecircuits.stages.plot_search --job {params.job:q} --search {input}" + DRAW
