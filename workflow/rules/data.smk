rule source:
    input:
        inputs_of("source"),
    output:
        "results/store/source/{digest}/artifact.json",
    log:
        "results/logs/source/{digest}.log",
    localrule: True
    params:
        label=label_of("source"),
    message:
        "source: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/source.py results/recipes/{wildcards.digest}.json &> {log}"


rule corpus:
    input:
        inputs_of("corpus"),
    output:
        "results/store/corpus/{digest}/artifact.json",
    log:
        "results/logs/corpus/{digest}.log",
    threads: workers_of("corpus")
    resources:
        **resources_of("corpus"),
    params:
        label=label_of("corpus"),
    message:
        "corpus: {params.label}"
    shell:
        "exec {PYTHON} {ROOT}/workflow/scripts/corpus.py --workers {threads} results/recipes/{wildcards.digest}.json &> {log}"


rule tokenizer:
    input:
        inputs_of("tokenizer"),
    output:
        "results/store/tokenizer/{digest}/artifact.json",
    log:
        "results/logs/tokenizer/{digest}.log",
    resources:
        **resources_of("tokenizer"),
    params:
        label=label_of("tokenizer"),
    message:
        "tokenizer: {params.label}"
    shell:
        "exec {PYTHON} {ROOT}/workflow/scripts/tokenizer.py results/recipes/{wildcards.digest}.json &> {log}"


rule tokens:
    input:
        inputs_of("tokens"),
    output:
        "results/store/tokens/{digest}/artifact.json",
    log:
        "results/logs/tokens/{digest}.log",
    retries: retries_of("tokens")
    threads: workers_of("tokens")
    resources:
        **resources_of("tokens"),
    params:
        label=label_of("tokens"),
    message:
        "tokens: {params.label}"
    shell:
        "exec {PYTHON} {ROOT}/workflow/scripts/tokens.py --workers {threads} results/recipes/{wildcards.digest}.json &> {log}"


rule card:
    input:
        inputs_of("card"),
    output:
        "results/store/card/{digest}/artifact.json",
    log:
        "results/logs/card/{digest}.log",
    resources:
        **resources_of("card"),
    params:
        label=label_of("card"),
    message:
        "card: {params.label}"
    shell:
        "exec {PYTHON} {ROOT}/workflow/scripts/card.py results/recipes/{wildcards.digest}.json &> {log}"
