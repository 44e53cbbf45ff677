def made_by(stage):
    """Pattern of the models that a stage makes: each has one rule."""
    models = [model for model in PLAN.config.models if PLAN.maker(model) == stage]
    return "|".join(models) or "(?!)"  # which nothing matches


rule construct_model:
    output:
        PLAN.path("construct_model"),
    log:
        f"{RESULTS}/logs/construct_model/{{model}}.log",
    wildcard_constraints:
        model=made_by("construct_model"),
    params:
        job=lambda w: PLAN.job("construct_model", model=w.model),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.construct_model"
        " --job {params.job:q} --output {output} > {log} 2>&1"


rule extract_model:
    input:
        lambda w: PLAN.outputs("train_trials", **PLAN.trained_in(w.model)),
    output:
        PLAN.path("extract_model"),
    log:
        f"{RESULTS}/logs/extract_model/{{model}}.log",
    wildcard_constraints:
        model=made_by("extract_model"),
    params:
        job=lambda w: PLAN.job("extract_model", model=w.model),
    shell:
        "{PYTHON:q} -m gamecircuits.pipeline.stages.extract_model"
        " --job {params.job:q} --trials {input[0]} --output {output} > {log} 2>&1"
