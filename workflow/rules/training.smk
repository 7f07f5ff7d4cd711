rule pretrain:
    input:
        inputs_of("pretrain"),
    output:
        "results/store/pretrain/{digest}/artifact.json",
    log:
        "results/logs/pretrain/{digest}.log",
    params:
        recipe=recipe_file,
        label=label_of("pretrain"),
    message:
        "pretrain: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/pretrain.py {params.recipe} &> {log}"


rule finetune:
    input:
        inputs_of("finetune"),
    output:
        "results/store/finetune/{digest}/artifact.json",
    log:
        "results/logs/finetune/{digest}.log",
    params:
        recipe=recipe_file,
        label=label_of("finetune"),
    message:
        "finetune: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/finetune.py {params.recipe} &> {log}"
