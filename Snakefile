"""finescale: from raw text to fitted scaling laws. See README.md and docs/architecture.md."""

# A study is exactly one config file: `configfile:` would be merged under --configfile.
if not workflow.overwrite_configfiles:

    configfile: "config/demo.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/laws.smk"
include: "workflow/rules/views.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        sorted(view.path for view in plan.views),
    localrule: True
    message:
        "study {plan.study}: every figure and table is in results/{plan.study}/"


onstart:
    refuse_unpinned()
    gc.freeze()
    gc.enable()
    write_recipes()
    forkserver.start()
