rule figure:
    input:
        inputs_of("figure"),
    output:
        "results/store/figure/{digest}/artifact.json",
    log:
        "results/logs/figure/{digest}.log",
    localrule: True
    params:
        label=label_of("figure"),
    message:
        "figure: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/figure.py results/recipes/{wildcards.digest}.json &> {log}"


rule table:
    input:
        inputs_of("table"),
    output:
        "results/store/table/{digest}/artifact.json",
    log:
        "results/logs/table/{digest}.log",
    localrule: True
    params:
        label=label_of("table"),
    message:
        "table: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/table.py results/recipes/{wildcards.digest}.json &> {log}"


rule figure_view:
    input:
        view_input("results/{study}/figures/{name}.pdf"),
    output:
        pdf="results/{study}/figures/{name}.pdf",
        png="results/{study}/figures/{name}.png",
        svg=report(
            "results/{study}/figures/{name}.svg",
            category="Figures",
            labels={"figure": "{name}"},
        ),
        csv="results/{study}/figures/{name}.csv",
    log:
        "results/logs/figures/{study}/{name}.log",
    localrule: True
    params:
        folder=view_folder("results/{study}/figures/{name}.pdf"),
    message:
        "show {wildcards.name}"
    shell:
        "for view in {output}; do"
        ' ln -sfnr {params.folder}/figure."${{view##*.}}" "$view"; done &> {log}'


rule table_view:
    input:
        view_input("results/{study}/tables/{name}.pdf"),
    output:
        pdf="results/{study}/tables/{name}.pdf",
        png="results/{study}/tables/{name}.png",
        svg=report(
            "results/{study}/tables/{name}.svg",
            category="Tables",
            labels={"table": "{name}"},
        ),
        csv="results/{study}/tables/{name}.csv",
    log:
        "results/logs/tables/{study}/{name}.log",
    localrule: True
    params:
        folder=view_folder("results/{study}/tables/{name}.pdf"),
    message:
        "show {wildcards.name}"
    shell:
        "for view in {output}; do"
        ' ln -sfnr {params.folder}/table."${{view##*.}}" "$view"; done &> {log}'


rule points_view:
    input:
        view_input("results/{study}/points.csv"),
    output:
        "results/{study}/points.csv",
    log:
        "results/logs/points/{study}.log",
    localrule: True
    params:
        folder=view_folder("results/{study}/points.csv"),
    message:
        "show the points of all tasks"
    shell:
        "ln -sfnr {params.folder}/points.csv {output} &> {log}"


rule later_points_view:
    input:
        view_input("results/{study}/later-{task}.csv"),
    output:
        "results/{study}/later-{task}.csv",
    log:
        "results/logs/later_points/{study}-{task}.log",
    localrule: True
    params:
        folder=view_folder("results/{study}/later-{task}.csv"),
    message:
        "show {wildcards.task} on its later test sets"
    shell:
        "ln -sfnr {params.folder}/points.csv {output} &> {log}"


rule card_view:
    input:
        view_input("results/{study}/data/{task}.md"),
    output:
        md="results/{study}/data/{task}.md",
        json="results/{study}/data/{task}.json",
    log:
        "results/logs/data/{study}-{task}.log",
    localrule: True
    params:
        folder=view_folder("results/{study}/data/{task}.md"),
    message:
        "show the data card of {wildcards.task}"
    shell:
        "for view in {output}; do"
        ' ln -sfnr {params.folder}/card."${{view##*.}}" "$view"; done &> {log}'
