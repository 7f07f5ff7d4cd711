rule pretrain:
    input:
        inputs_of("pretrain"),
    output:
        "results/store/pretrain/{digest}/artifact.json",
    log:
        "results/logs/pretrain/{digest}.log",
    retries: retries_of("pretrain")
    resources:
        **resources_of("pretrain"),
    params:
        label=label_of("pretrain"),
        program=training_program("pretrain"),
    message:
        "pretrain: {params.label}"
    shell:
        "exec {params.program} results/recipes/{wildcards.digest}.json &> {log}"


rule checkpoint:
    input:
        inputs_of("checkpoint"),
    output:
        "results/store/checkpoint/{digest}/artifact.json",
    log:
        "results/logs/checkpoint/{digest}.log",
    resources:
        **resources_of("checkpoint"),
    params:
        label=label_of("checkpoint"),
    message:
        "checkpoint: {params.label}"
    shell:
        "exec {PYTHON} {ROOT}/workflow/scripts/checkpoint.py results/recipes/{wildcards.digest}.json &> {log}"


rule finetune:
    input:
        inputs_of("finetune"),
    output:
        "results/store/finetune/{digest}/artifact.json",
    log:
        "results/logs/finetune/{digest}.log",
    retries: retries_of("finetune")
    resources:
        **resources_of("finetune"),
    params:
        label=label_of("finetune"),
        program=training_program("finetune"),
    message:
        "finetune: {params.label}"
    shell:
        "exec {params.program} results/recipes/{wildcards.digest}.json &> {log}"
