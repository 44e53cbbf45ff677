rule diagnose_model:
    input:
        PLAN.path("construct_model"),
    output:
        table=PLAN.path("diagnose_model"),
        csv=f"{RESULTS}/tables/diagnosis_{{model}}.csv",
        png=image(
            "diagnosis_{model}",
            "png",
            caption="../report/diagnosis.rst",
            category="4 Diagnoses",
            labels={"model": "{model}"},
        ),
        svg=image("diagnosis_{model}", "svg"),
    log:
        f"{RESULTS}/logs/diagnose_model/{{model}}.log",
    params:
        job=lambda w: PLAN.job("diagnose_model", model=w.model),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.diagnose_model --job {params.job:q} --model {input}"
        + DRAW


rule check_claims:
    output:
        table=PLAN.path("check_claims"),
        csv=f"{RESULTS}/tables/claims.csv",
        html=report(
            f"{RESULTS}/claims.html",
            caption="../report/claims.rst",
            category="2 Theory",
            labels={"figure": "claims.html"},
        ),
    log:
        f"{RESULTS}/logs/check_claims.log",
    params:
        job=lambda w: PLAN.job("check_claims"),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.check_claims --job {params.job:q}"
        " --output {output.table} --csv {output.csv} --html {output.html} > {log} 2>&1"


rule confirm_claims:
    input:
        PLAN.path("check_claims"),
    output:
        table=PLAN.path("confirm_claims"),
        csv=f"{RESULTS}/tables/claims_summary.csv",
    log:
        f"{RESULTS}/logs/confirm_claims.log",
    params:
        job=lambda w: PLAN.job("confirm_claims"),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.confirm_claims --job {params.job:q} --claims {input}"
        " --output {output.table} --csv {output.csv} 2>&1 | tee {log} >&2"


rule run_experiment:
    output:
        PLAN.path("run_experiment"),
    log:
        f"{RESULTS}/logs/run_experiment/{{experiment}}.log",
    params:
        job=lambda w: PLAN.job("run_experiment", experiment=w.experiment),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.run_experiment"
        " --job {params.job:q} --output {output} > {log} 2>&1"


rule plot_experiment:
    input:
        PLAN.path("run_experiment"),
    output:
        table=PLAN.path("plot_experiment"),
        csv=f"{RESULTS}/tables/{{experiment}}.csv",
        png=image(
            "{experiment}",
            "png",
            caption="../report/experiments.rst",
            category="2 Theory",
            labels=lambda w: {"figure": w.experiment.replace("_", " ")},
        ),
        svg=image("{experiment}", "svg"),
    log:
        f"{RESULTS}/logs/plot_experiment/{{experiment}}.log",
    params:
        job=lambda w: PLAN.job("plot_experiment", experiment=w.experiment),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.plot_experiment --job {params.job:q} --experiment {input}"
        + DRAW
