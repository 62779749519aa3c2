"""Where jobs run, the time, memory and GPU that they ask for, and the question before long work."""

import io
import logging
import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from lib import study
from lib.book import cost, follow, jobs, make, profiles
from lib.encoders.settings import Settings, Unit

LARGE = Unit(Settings(data="cifar10", net="resnet34", epochs=200), ("",), 1.0, 0)
SMALL = Unit(Settings(data="digits", net="convnet", pretrained=False, head_width=32, epochs=2), ("",), 1.0, 0)


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """No variables of the caller's, and a machine without a GPU."""
    for name in ("PROFILE", "GPUS", "YES", "CORES"):
        monkeypatch.delenv(name, raising=False)
    there = {"sbatch": "/usr/bin/sbatch"}
    monkeypatch.setattr(profiles.shutil, "which", there.get)
    return there


def write(folder, text):
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(text)
    return str(folder)


def test_profiles_by_name_and_by_path(monkeypatch, tmp_path):
    assert profiles.folder().parts == ("profiles", "local") and not profiles.submits()
    monkeypatch.setenv("SNAKEMAKE_PROFILE", write(tmp_path / "foreign", "executor: slurm"))
    assert not profiles.submits(), "a profile that only Snakemake was told of"
    for name, submits in {"slurm": True, "local": False}.items():
        monkeypatch.setenv("PROFILE", name)
        assert profiles.folder().parts == ("profiles", name) and profiles.submits() == submits
    for text, submits in {"executor: slurm": True, "executor: googlebatch": True, "retries: 1": False}.items():
        monkeypatch.setenv("PROFILE", write(tmp_path / "own", text))
        assert profiles.folder() == tmp_path / "own" and profiles.submits() == submits


@pytest.mark.parametrize("name", ["slrum", "../profiles", "/", "profiles"])
def test_a_profile_that_is_not_there_is_named(monkeypatch, name):
    monkeypatch.setenv("PROFILE", name)
    with pytest.raises(ValueError, match=rf"PROFILE='{name}': write one of local, slurm, or the path of a folder"):
        profiles.check()


def test_slurm_is_refused_where_nothing_can_be_submitted(monkeypatch, here):
    monkeypatch.setenv("PROFILE", "slurm")
    monkeypatch.setattr(profiles.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"profiles/slurm needs the extra requirements: .*\.\[cluster\]"):
        profiles.check()
    monkeypatch.setattr(profiles.importlib.util, "find_spec", lambda _: SimpleNamespace())
    profiles.check()
    here.clear()
    with pytest.raises(ValueError, match=r"profiles/slurm submits by sbatch, which is not on this machine"):
        profiles.check()


def test_a_job_asks_for_the_time_and_memory_of_the_device_that_it_gets(monkeypatch):
    monkeypatch.setenv("PROFILE", "slurm")
    assert cost.on_gpu([LARGE]) and not cost.on_gpu([SMALL])
    on_gpu = 3 * (50 * 200 * cost.GPU_SECONDS["resnet34"] + cost.START_SECONDS) / 60 + 10
    assert cost.minutes([LARGE]) == pytest.approx(on_gpu, abs=1) and cost.memory([LARGE]) == 8000
    assert cost.minutes([SMALL]) == 10 and cost.memory([SMALL]) == 2000
    monkeypatch.setenv("GPUS", "0")
    assert not cost.on_gpu([LARGE]) and cost.memory([LARGE]) == 16000
    assert cost.minutes([LARGE]) == 24 * 60, "by the day: it goes on from its checkpoint"
    monkeypatch.setenv("GPUS", "two")
    with pytest.raises(ValueError, match="GPUS='two': write GPUS=0"):
        profiles.check()


def test_no_job_has_more_units_than_a_command_line_holds():
    many = [Unit(SMALL.settings, ("",), 1.0, seed) for seed in range(1000)]
    made = jobs.together(many, jobs.SUBMITTED_SECONDS)
    assert sum(map(len, made)) == 1000
    assert max(sum(len(unit.to_json()) for unit in job) for job in made) < 120_000  # Linux: 128 KiB an argument


def test_many_small_units_are_one_submission(monkeypatch):
    units = [Unit(replace(SMALL.settings, epochs=20), ("",), 1.0, seed) for seed in range(90)]
    here = len(make.missing([], units))
    monkeypatch.setenv("PROFILE", "slurm")
    assert len(make.missing([], units)) == 1 < here


def test_an_estimate_says_training_executing_and_site(monkeypatch, tmp_path):
    monkeypatch.setenv("CORES", "1")
    monkeypatch.setattr(cost, "SITE", tmp_path / "site")
    run = SimpleNamespace(folder=tmp_path / "run", values={"preset": "quick"})
    work = cost.Work([run, run], [[SMALL]])
    alone = cost.estimate([[SMALL]], 1, False)[0]
    assert work.seconds() == {
        "training": alone,
        "executing": 2 * cost.STUDY_SECONDS,
        "building the site": cost.SITE_SECONDS,
    }
    assert "about 5 s of training, 90 s of executing, 60 s of building the site (1 CPU core(s))" in work.described()
    (tmp_path / "site").write_text("17\n")
    for name, text in {"a": '{"params": {"preset": "quick"}, "seconds": 5.5}', "b": "{"}.items():
        write(tmp_path / name, "")
        (tmp_path / name / "provenance.json").write_text(text)
    assert work.seconds() | {"training": 0} == {"training": 0, "executing": 11.0, "building the site": 17}
    assert "site" not in " ".join(cost.Work([], [[SMALL]], site=False).seconds())
    monkeypatch.setenv("PROFILE", "slurm")
    both = cost.Work([], [[SMALL], [LARGE]], site=False)
    assert both.seconds()["training on a GPU"] == cost.estimate([[LARGE]], 1, True)[0]
    assert both.seconds()["training"] == alone


def test_more_than_a_day_is_asked_for(monkeypatch):
    long = cost.Work([], [[LARGE]], site=False)
    assert long.seconds()["training"] > cost.DAY
    cost.Work([], [[SMALL]], site=False).agreed()
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ValueError, match=r"this takes about \d+ days, more than a day; to start it, add YES=1"):
        long.agreed()
    monkeypatch.setenv("YES", "1")
    long.agreed()
    monkeypatch.setenv("YES", "")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    for answer, fine in {"y": True, "Yes": True, "": False, "n": False}.items():
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        if fine:
            long.agreed()
        else:
            with pytest.raises(ValueError, match="not started"):
                long.agreed()


def test_epochs_without_end_are_refused_before_work(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(sys, "argv", ["make", "run"])
    monkeypatch.setattr(make, "build", lambda *_: pytest.fail("it was started"))
    for name, value in {"STUDY": "cifar10_undersampling", "PRESET": "quick", "P": "epochs=100000"}.items():
        monkeypatch.setenv(name, value)
    assert make.main() == 2
    assert "more than a day; to start it, add YES=1" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "seconds, words", [(119, "119 s"), (7199, "120 min"), (7200, "2.0 h"), (4e6, "46 days"), (1e9, "11,574 days")]
)
def test_durations(seconds, words):
    assert cost.duration(seconds) == words


def test_what_nodes_write_into_logs_is_shown_once(tmp_path, capsys):
    old, new = tmp_path / "old.log", tmp_path / "new.log"
    old.write_text("said before\n")
    with follow.logs(tmp_path, 0.05):
        with open(old, "a", encoding="utf-8") as f:
            f.write("added\nhalf a li")
            f.flush()
            new.write_text("of another job\n")
            new.unlink()
            f.write("ne\n")
        other = tmp_path / "next.log"
        other.write_text("tried again\n")
        os.replace(other, new)
    assert sorted(capsys.readouterr().err.splitlines()) == ["added", "half a line", "tried again"]


def test_snakemake_says_what_is_submitted_and_what_failed(caplog):
    logger = logging.getLogger("snakemake.logging")
    no_gpu = (
        "SLURM sbatch failed. The error message was 'sbatch: error: Invalid generic resource (gres) specification'."
    )
    late = "SLURM-job '7' failed, SLURM status is: 'TIMEOUT'. Detailed failure reason unavailable"
    error = {"event": "job_error", "rule_name": "encoders_0", "log": ["build/logs/x.log", "a.log"]}
    with caplog.at_level(logging.INFO, logger.name), follow.in_few_lines():
        logger.info("Select jobs to execute...")
        logger.info("Job stats:\njob  count")
        logger.info("Job 3 has been submitted with SLURM jobid 7 (log: b.log).")
        logger.error("Error in rule encoders_0, jobid: 3", extra=error | {"rule_msg": late})
        logger.error(
            "Error in rule encoders_0, jobid: 3", extra=error | {"rule_msg": f"{no_gpu}\n    sbatch call:\n x"}
        )
        logger.error("Exiting because a job execution failed. Look above for error messages")
        logger.error("WorkflowError: something else")
    assert [record.getMessage() for record in caplog.records] == [
        "Job 3 has been submitted with SLURM jobid 7 (log: b.log).",
        "encoders_0 failed. SLURM-job '7' failed, SLURM status is: 'TIMEOUT'. (log: a.log)",
        f"encoders_0 failed. {no_gpu}; on a cluster without GPUs add GPUS=0",
        "WorkflowError: something else",
    ]
    logger.info("as before")
    assert not logger.filters


def test_every_preset_has_jobs_that_fit_a_day_on_their_device(monkeypatch):
    monkeypatch.setenv("PROFILE", "slurm")
    for name in ("cifar10_undersampling", "lspread_strata", "bios_gender_harm"):
        units = study.Run(name, study.complete(name, study.preset(name, "paper"))).units
        assert max(cost.minutes(job) for job in make.missing([], units)) < 300
