"""Training that diverges is a result: published, shown, and left out of fits."""


def keep_one_small_task(config) -> None:
    """The finetunings of help-en-zh by full tuning and LoRA on one size."""
    config["tasks"] = {"help-en-zh": config["tasks"]["help-en-zh"]}
    config["families"] = {"en-zh": config["families"]["en-zh"]}
    config["tasks"]["help-en-zh"]["grid"]["llm_model_size"]["values"] = ["XXS"]


def test_diverged_finetunings_are_published_shown_and_left_out_of_fits(smoke):
    def diverge(config):
        keep_one_small_task(config)
        config["methods"]["lora"]["learning_rate"] = 1.0e30

    smoke.edit_config(diverge)
    run = smoke.snakemake()
    assert run.status == 0, run.log
    for table in ("points", "later-help-en-zh"):
        points = {(point["method"], point["status"]) for point in smoke.points(table)}
        assert points == {("fmt", "ok"), ("lora", "diverged")}
    for artifact in smoke.store.artifacts("finetune"):
        if artifact.recipe.parameters["learning_rate"] == 1.0e30:
            result = artifact.json("result.json")
            assert result["status"] == "diverged"
            assert result["reason"]
            assert result["loss_curve"]
            assert not any("safetensors" in e["name"] for e in artifact.manifest["files"])
    (fit,) = [
        a for a in smoke.store.artifacts("fit") if "2 diverged runs left out" in smoke.log_of(a)
    ]
    assert fit.recipe.parameters["task"] == "help-en-zh"
    smoke.assert_sound()


def test_what_is_finetuned_from_a_diverged_base_model_is_published_as_that(smoke):
    def diverge(config):
        keep_one_small_task(config)
        config["pretraining"]["learning_rate"] = 1.0e30
        config["pretraining"]["final_learning_rate"] = 1.0e30

    smoke.edit_config(diverge)
    run = smoke.snakemake()
    assert run.status == 0, run.log
    (base,) = [
        artifact
        for artifact in smoke.store.artifacts("pretrain")
        if artifact.recipe.parameters["learning_rate"] == 1.0e30
    ]
    result = base.json("result.json")
    assert result["status"] == "diverged"
    assert result["reason"]
    for table in ("points", "later-help-en-zh"):
        points = smoke.points(table)
        assert len(points) == 4
        assert {point["status"] for point in points} == {"base diverged"}
        assert all(point["test_log_perplexity"] == "" for point in points)
    smoke.assert_sound()
