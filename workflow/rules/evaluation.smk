rule generate:
    input:
        inputs_of("generate"),
    output:
        "results/store/generate/{digest}/artifact.json",
    log:
        "results/logs/generate/{digest}.log",
    resources:
        **resources_of("generate"),
    params:
        label=label_of("generate"),
        program=asking_program("generate"),
    message:
        "generate: {params.label}"
    shell:
        "exec {params.program} results/recipes/{wildcards.digest}.json &> {log}"


rule score:
    input:
        inputs_of("score"),
    output:
        "results/store/score/{digest}/artifact.json",
    log:
        "results/logs/score/{digest}.log",
    localrule: True
    params:
        label=label_of("score"),
    message:
        "score: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/score.py results/recipes/{wildcards.digest}.json &> {log}"


rule loss:
    input:
        inputs_of("loss"),
    output:
        "results/store/loss/{digest}/artifact.json",
    log:
        "results/logs/loss/{digest}.log",
    resources:
        **resources_of("loss"),
    params:
        label=label_of("loss"),
        program=asking_program("loss"),
    message:
        "loss: {params.label}"
    shell:
        "exec {params.program} results/recipes/{wildcards.digest}.json &> {log}"


rule later_points:
    input:
        inputs_of("later_points"),
    output:
        "results/store/later_points/{digest}/artifact.json",
    log:
        "results/logs/later_points/{digest}.log",
    localrule: True
    params:
        label=label_of("later_points"),
    message:
        "later points: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/later_points.py results/recipes/{wildcards.digest}.json &> {log}"


rule search:
    input:
        inputs_of("search"),
    output:
        "results/store/search/{digest}/artifact.json",
    log:
        "results/logs/search/{digest}.log",
    localrule: True
    params:
        label=label_of("search"),
    message:
        "search: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/search.py results/recipes/{wildcards.digest}.json &> {log}"
