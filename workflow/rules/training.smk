rule pretrain:
    input:
        inputs_of("pretrain"),
    output:
        "results/store/pretrain/{digest}/artifact.json",
    log:
        "results/logs/pretrain/{digest}.log",
    params:
        label=label_of("pretrain"),
    message:
        "pretrain: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/pretrain.py results/recipes/{wildcards.digest}.json &> {log}"


rule finetune:
    input:
        inputs_of("finetune"),
    output:
        "results/store/finetune/{digest}/artifact.json",
    log:
        "results/logs/finetune/{digest}.log",
    params:
        label=label_of("finetune"),
    message:
        "finetune: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/finetune.py results/recipes/{wildcards.digest}.json &> {log}"
