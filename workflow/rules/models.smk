rule construct_model:
    output:
        PLAN.path("construct_model"),
    log:
        f"{RESULTS}/logs/construct_model/{{model}}.log",
    params:
        job=lambda w: PLAN.job("construct_model", model=w.model),
    shell:
        "{PYTHON:q} -m gamecircuits.stages.construct_model"
        " --job {params.job:q} --output {output} > {log} 2>&1"
