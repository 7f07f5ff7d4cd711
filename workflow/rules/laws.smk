rule points:
    input:
        inputs_of("points"),
    output:
        "results/store/points/{digest}/artifact.json",
    log:
        "results/logs/points/{digest}.log",
    localrule: True
    params:
        label=label_of("points"),
    message:
        "points: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/points.py results/recipes/{wildcards.digest}.json &> {log}"


rule joined_points:
    input:
        inputs_of("joined_points"),
    output:
        "results/store/joined_points/{digest}/artifact.json",
    log:
        "results/logs/joined_points/{digest}.log",
    localrule: True
    params:
        label=label_of("joined_points"),
    message:
        "points of all tasks: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/joined_points.py results/recipes/{wildcards.digest}.json &> {log}"


rule fit:
    input:
        inputs_of("fit"),
    output:
        "results/store/fit/{digest}/artifact.json",
    log:
        "results/logs/fit/{digest}.log",
    localrule: True
    params:
        label=label_of("fit"),
    message:
        "fit: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/fit.py results/recipes/{wildcards.digest}.json &> {log}"


rule pretraining_law:
    input:
        inputs_of("pretraining_law"),
    output:
        "results/store/pretraining_law/{digest}/artifact.json",
    log:
        "results/logs/pretraining_law/{digest}.log",
    localrule: True
    params:
        label=label_of("pretraining_law"),
    message:
        "pretraining law: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/pretraining_law.py results/recipes/{wildcards.digest}.json &> {log}"
