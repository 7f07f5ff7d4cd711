rule study_report:
    input:
        inputs_of("report"),
    output:
        "results/store/report/{digest}/artifact.json",
    log:
        "results/logs/report/{digest}.log",
    localrule: True
    params:
        label=label_of("report"),
    message:
        "report: {params.label}"
    shell:
        "{PYTHON} {ROOT}/workflow/scripts/report.py results/recipes/{wildcards.digest}.json &> {log}"


rule report_view:
    input:
        view_input("results/{study}/report.html"),
    output:
        report(
            "results/{study}/report.html",
            category="Report",
            labels={"page": "report of the study {study}"},
        ),
    log:
        "results/logs/report/{study}.log",
    localrule: True
    params:
        folder=view_folder("results/{study}/report.html"),
    message:
        "show the report"
    shell:
        "ln -sfnr {params.folder}/report.html {output} &> {log}"
