"""`finescale cost` as people call it."""

import json

import pytest

from finescale.cli import main


@pytest.fixture
def cost(root, monkeypatch, capsys, tmp_path):
    """Run the command in the repository, on an empty store."""
    monkeypatch.chdir(root)

    def run(*arguments):
        status = main(["--store", str(tmp_path / "store"), "cost", *arguments])
        return status, *capsys.readouterr()

    return run


def test_a_table_of_stages_a_table_of_runs_and_what_they_rest_on(cost):
    status, out, err = cost("config/paper.yaml", "--gpu", "h100", "--gpus", "128")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("What the study paper still takes, on 128 x h100")
    (finetune,) = [line for line in lines if line.startswith("finetune  ") and "3819" in line]
    assert finetune.split()[:4] == ["finetune", "3819", "0", "3819"]
    assert any(line.startswith("in all") and "16262" in line for line in lines)
    assert any(line.split()[:3] == ["finetune", "16B", "lora"] for line in lines)
    assert "an upper bound" in out
    assert "raw files whose size" in out


def test_the_site_s_gpu_unless_another_is_named(cost):
    _, out, _ = cost("config/smoke.yaml")
    assert "on 64 x h100" in out
    assert "the study runs on CPUs" in out
    assert "assumed" not in out  # the embedded corpus is counted


def test_json_has_every_figure(cost):
    status, out, _ = cost("config/smoke.yaml", "--gpu", "a100-40", "--json")
    content = json.loads(out)
    assert status == 0
    assert content["gpu"] == "a100-40"
    assert content["stages"]["finetune"]["to_do"] == 35
    assert {run["what"] for run in content["runs"] if run["stage"] == "finetune"} == {
        "fmt",
        "lora",
        "prompt",
    }
    assert content["total"]["flops"] == pytest.approx(sum(run["flops"] for run in content["runs"]))
    assert content["misfits"] == []
    assert content["basis"]["bounded"]


def test_a_job_that_does_not_fit_is_named_and_the_status_says_so(cost):
    status, _, err = cost("config/paper.yaml", "--gpu", "a100-40")
    assert status == 1
    assert "does not fit: fmt of 4B: 6" in err
    assert "in `hardware.fmt.4B`" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["config/paper.yaml", "--gpu", "h1000"],
            "--gpu: config/gpus.yaml has no `h1000`; did you",
        ),
        (["config/none.yaml"], "config/none.yaml: no such file"),
        (["config/sources.yaml"], "config/sources.yaml:"),
        (["config/smoke.yaml", "--gpus", "0"], "--gpus is '0', which is not a positive whole"),
        (["config/smoke.yaml", "--gpus", "many"], "--gpus is 'many'"),
    ],
)
def test_a_mistake_is_explained_without_a_traceback(cost, arguments, message):
    status, out, err = cost(*arguments)
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert message in err
