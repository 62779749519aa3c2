"""lib.encoders.pretrain on three classes of digits: the same numbers again, whole folders, and clear ends."""

import csv
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR

from lib import hashing, images, records
from lib.encoders import pretrain, training
from lib.encoders import store as stored
from lib.encoders.settings import METHODS, WEIGHTINGS, Settings, Unit
from lib.encoders.training import Conditions, TrainingError
from lib.images import augment

TINY = Settings(
    data="digits",
    classes=("0", "1", "8"),
    images_per_class=40,
    net="convnet",
    pretrained=False,
    head_width=32,
    epochs=2,
    batch_size=40,
    augment="digits",
)
BIT = Unit(TINY, ("", "1"), 0.1, 5)


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """Encoders of a test lie in its own folder, and it belongs to no build."""
    monkeypatch.setattr(stored, "STORE", tmp_path / "encoders")
    monkeypatch.delenv(records.OWNER, raising=False)
    return tmp_path / "encoders"


def trained(unit: Unit) -> torch.Tensor:
    pretrain.run(unit)
    return unit.embeddings()[0].clone()  # the file itself is mapped into memory


def test_the_same_settings_and_seed_give_the_same_bits(store, monkeypatch):
    first = trained(BIT)
    weights = load_file(BIT.folder / "checkpoint.safetensors")
    monkeypatch.setattr(stored, "STORE", store / "again")
    torch.manual_seed(99)  # what was drawn before does not count
    assert torch.equal(trained(BIT), first)
    again = load_file(BIT.folder / "checkpoint.safetensors")
    assert set(again) == set(weights) and all(torch.equal(again[k], weights[k]) for k in weights)


def test_a_member_does_not_depend_on_its_unit():
    together = trained(BIT)
    assert torch.equal(trained(replace(BIT, members=("1",)))[0], together[1])
    assert torch.equal(trained(replace(BIT, members=("8", "", "1")))[1], together[0])


def test_seed_ratio_and_class_matter():
    base = trained(replace(BIT, members=("1",)))
    others = [
        replace(BIT, members=("1",), seed=6),
        replace(BIT, members=("1",), ratio=0.5),
        replace(BIT, members=("8",)),
    ]
    assert all(not torch.equal(trained(u), base) for u in others)


def test_the_order_and_the_augmentation_depend_on_the_seed_alone(monkeypatch):
    real, data = augment.view, pretrain.images_of(TINY, "train")

    def seen(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        batches, views = [], []

        def view(x, *rest):
            batches.append(x)
            views.append(real(x, *rest))
            return views[-1]

        monkeypatch.setattr(augment, "view", view)
        pretrain.train(TINY, data, Conditions(seed, TINY.epochs))
        return torch.stack(batches), torch.stack(views)

    (order, views), (order_again, views_again), (other, _) = seen(1), seen(1), seen(2)
    assert torch.equal(order, order_again) and torch.equal(views, views_again) and not torch.equal(order, other)
    epochs = order[:, : TINY.batch_size].flatten(2).flatten(1, 2).reshape(TINY.epochs, len(data), -1)
    for epoch in epochs:  # every image once an epoch, in an order of its own
        assert torch.equal(torch.unique(epoch, dim=0), torch.unique(data.x.flatten(1), dim=0))
    assert not torch.equal(epochs[0], epochs[1])
    assert torch.equal(order[:, : TINY.batch_size], order[:, TINY.batch_size :]), "two views of the same images"
    assert not torch.equal(views[:, : TINY.batch_size], views[:, TINY.batch_size :])


def test_control_does_not_depend_on_the_ratio():
    assert torch.equal(trained(replace(BIT, members=("",), ratio=1.0)), trained(replace(BIT, members=("",), ratio=0.1)))


def test_run_writes_a_whole_folder(capsys):
    z = trained(BIT)
    folder, test = BIT.folder, images.load("digits", "test").only(TINY.classes)
    assert sorted(p.name for p in folder.iterdir()) == [
        *("checkpoint.safetensors", "embeddings.safetensors", "loss.csv", "record.json", "train_embeddings.safetensors")
    ]
    assert z.shape == (2, len(test), 64) and z.dtype == torch.float32
    assert torch.equal(BIT.embeddings()[1], test.y)
    with open(folder / "loss.csv", encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    assert [(r["undersampled"], r["epoch"]) for r in rows] == [
        ("balanced", "1"),
        ("balanced", "2"),
        ("1", "1"),
        ("1", "2"),
    ]
    assert all(0 < float(r["loss"]) < math.log(2 * TINY.batch_size - 1) + 2 for r in rows)
    record = BIT.record
    assert record["samples"] == [120, 84]  # 40 a class; 4 of 40 kept
    y = BIT.embeddings("train")[1]
    assert BIT.kept().tolist() == list(range(120)) and torch.equal(BIT.kept("1"), images.undersample(y, 1, 0.1, 5))
    assert record["unit"]["seed"] == 5 and record["device"] and record["threads"] == torch.get_num_threads()
    assert record["data_sha256"]["test"] == images.digest(test)
    assert set(record["packages"]) == set(BIT.packages) and record["seconds"] >= 0
    progress = capsys.readouterr().err
    assert "encoder 2 of 2, epoch 2/2" in progress and "s left" in progress


def test_the_checkpoint_gives_the_embeddings():
    z = trained(BIT)
    train, test = pretrain.images_of(TINY, "train"), pretrain.images_of(TINY, "test")
    weights = load_file(BIT.folder / "checkpoint.safetensors")
    encoder = pretrain.Encoder(TINY, train.x, 3)
    encoder.load_state_dict({k.removeprefix("1."): v for k, v in weights.items() if k.startswith("1.")})
    encoder.to(memory_format=torch.channels_last)
    assert torch.allclose(pretrain.embed(encoder, test.x), z[1], atol=1e-6)
    assert torch.allclose(pretrain.embed(encoder, test.x, batch=7), z[1], atol=1e-5)
    z_train, y_train = BIT.embeddings("train")
    assert torch.equal(y_train, train.y), "the whole split, dropped images too"
    assert torch.allclose(pretrain.embed(encoder, train.x), z_train[1], atol=1e-6)


def test_run_does_nothing_where_the_folder_is_whole(monkeypatch):
    BIT.folder.mkdir(parents=True)
    (BIT.folder / "record.json").write_text("{}")
    monkeypatch.setattr(pretrain, "train", lambda *_: pytest.fail("it trained again"))
    pretrain.run(BIT)
    assert [p.name for p in BIT.folder.iterdir()] == ["record.json"]


def test_a_run_that_was_cut_short_is_done_again(monkeypatch):
    """Embeddings without the record, which is written last, are not taken for a result."""
    whole = trained(BIT)
    (BIT.folder / "record.json").unlink()
    (BIT.folder / "embeddings.safetensors").write_bytes(b"half")
    assert torch.equal(trained(BIT), whole) and BIT.done


def test_untrained_is_the_random_start():
    unit = Unit(replace(TINY, method="untrained"), ("",), 1.0, 5)
    z = trained(unit)
    torch.manual_seed(5)
    start = pretrain.Encoder(TINY, images.load("digits", "train").x, 3)
    assert torch.allclose(pretrain.embed(start, pretrain.images_of(TINY, "test").x), z[0], atol=1e-6)
    assert (unit.folder / "loss.csv").read_text().splitlines() == ["undersampled,epoch,loss"]


def test_training_lowers_the_loss():
    settings = replace(TINY, epochs=12, images_per_class=0, batch_size=128)
    _, history = pretrain.train(settings, pretrain.images_of(settings, "train"), Conditions(0, 12))
    assert len(history) == 12 and history[-1] < history[0] - 0.3


def test_settings_cut_the_training_split_alone():
    train, test = pretrain.images_of(TINY, "train"), pretrain.images_of(TINY, "test")
    assert torch.bincount(train.y).tolist() == [40] * 3 and train.classes == test.classes == ("0", "1", "8")
    assert len(test) == int((images.load("digits", "test").y[:, None] == torch.tensor([0, 1, 8])).sum())


def test_normalise_standardises_each_channel():
    data = pretrain.images_of(TINY, "train")
    encoder = pretrain.Encoder(replace(TINY, normalise=True), data.x, 3)
    x = (data.x / 255 - encoder.mean) / encoder.std
    assert abs(float(x.mean())) < 1e-5 and float(x.std()) == pytest.approx(1, abs=1e-4)
    plain = pretrain.Encoder(TINY, data.x, 3)
    assert (plain.mean == 0).all() and (plain.std == 1).all()


def test_learning_rate_is_torchs_cosine():
    settings, steps = Settings(squared_learning_rate=False), 50
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=settings.learning_rate)
    schedule = CosineAnnealingLR(sgd, steps, eta_min=settings.final_learning_rate)
    for step in range(steps + 1):
        assert pretrain.learning_rate(settings, step, steps) == pytest.approx(sgd.param_groups[0]["lr"], abs=1e-12)
        sgd.step()
        schedule.step()


def test_warm_up_is_torchs_linear_rise_before_the_cosine():
    settings, steps, warmup = Settings(learning_rate=0.5, final_learning_rate=1e-6, squared_learning_rate=False), 40, 8
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    rise = LinearLR(sgd, 1 / warmup, 1, warmup - 1)
    for step in range(warmup):
        assert pretrain.learning_rate(settings, step, steps, warmup) == pytest.approx(sgd.param_groups[0]["lr"])
        sgd.step()
        rise.step()
    assert pretrain.learning_rate(settings, warmup, steps, warmup) == pytest.approx(0.5)
    assert pretrain.learning_rate(settings, steps, steps, warmup) == pytest.approx(1e-6)


def test_the_public_codes_rate_runs_from_036_to_6e4():
    rates = [pretrain.learning_rate(Settings(), step, 1000) for step in range(1001)]
    assert rates[0] == pytest.approx(0.36) and rates[-1] == pytest.approx(6e-4)
    assert rates == sorted(rates, reverse=True)


def test_a_batch_larger_than_the_set_is_refused():
    with pytest.raises(TrainingError, match="batch_size=500 exceeds the 120 training images; lower it"):
        pretrain.run(Unit(replace(TINY, batch_size=500), ("",), 1.0, 0))


def test_a_loss_that_is_not_finite_stops_the_training():
    wild = Unit(replace(TINY, temperature=1e-39), ("",), 1.0, 0)  # cosine / temperature overflows
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) in epoch \d; lower learning_rate"):
        pretrain.run(wild)
    assert not wild.done and not wild.folder.exists()


def test_main_trains_a_unit_from_a_file(tmp_path):
    file = tmp_path / "unit.json"
    file.write_text(BIT.to_json())
    assert pretrain.main([str(file), "--threads", "1"]) == 0 and BIT.done


@pytest.mark.parametrize(
    "unit, message",
    [
        (Unit(replace(TINY, data="cifar11"), ("",), 1.0, 0), "data set 'cifar11' is unknown"),
        (Unit(replace(TINY, net="vgg"), ("",), 1.0, 0), "net 'vgg' is unknown"),
        (Unit(replace(TINY, batch_size=500), ("",), 1.0, 0), "batch_size=500"),
        (Unit(TINY, ("7",), 0.1, 0), "class '7' is not there; the classes are 0, 1, 8"),
        (Unit(TINY, ("1",), 7.0, 0), r"ratio=7.0 is outside"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_main_ends_with_one_clear_line(tmp_path, capsys, unit, message):
    file = tmp_path / "unit.json"
    file.write_text(unit.to_json())
    assert pretrain.main([str(file)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: ") and message in lines[-1]


def test_a_unit_that_fails_leaves_the_others_of_its_process(tmp_path, capsys):
    file, other = tmp_path / "units.json", replace(BIT, seed=5)
    file.write_text("\n".join(u.to_json() for u in (Unit(TINY, ("7",), 0.1, 0), other)))
    assert pretrain.main([str(file), "--threads", "1"]) == 1
    assert "class '7' is not there" in capsys.readouterr().err and other.done


def test_main_says_which_file_is_missing(tmp_path, capsys):
    assert pretrain.main([str(tmp_path / "none.json")]) == 1
    assert "none.json" in capsys.readouterr().err


def test_features_that_collapse_to_a_point_stop_the_training(monkeypatch):
    real = pretrain.Encoder.backbone
    monkeypatch.setattr(pretrain.Encoder, "backbone", lambda self, x: 1 + 1e-4 * real(self, x))
    with pytest.raises(TrainingError, match=r"collapsed to a point in epoch 1 .*lower learning_rate"):
        pretrain.run(BIT)
    assert not BIT.done


@pytest.mark.parametrize("method", METHODS[:-1])
def test_every_method_trains(method):
    settings = replace(TINY, method=method, learning_rate=0.02, clamp=False, squared_learning_rate=False)
    z = trained(Unit(settings, ("1",), 0.1, 0))
    start = trained(Unit(replace(settings, method="untrained"), ("",), 1.0, 0))
    assert z.shape == start.shape and torch.isfinite(z).all() and not torch.allclose(z, start, atol=1e-3)


@pytest.mark.parametrize("weighting", WEIGHTINGS[1:])
def test_every_weighting_changes_the_training_of_an_unequal_set(weighting):
    unit = Unit(replace(TINY, epochs=6), ("1",), 0.1, 0)
    weighted = replace(unit, settings=replace(unit.settings, weighting=weighting))
    assert not torch.allclose(trained(unit), trained(weighted), atol=1e-4)


def test_simsiams_projection_can_be_the_feature():
    settings = replace(TINY, method="simsiam", feature="projection", head_out=48, learning_rate=0.02)
    z = trained(Unit(settings, ("",), 1.0, 0))
    assert z.shape[-1] == 48 and (z < 0).any()


def steps_of(settings: Settings, monkeypatch, data, all_images: int = 0) -> list[torch.Tensor]:
    seen, real = [], pretrain._forward
    monkeypatch.setattr(pretrain, "_forward", lambda m, h, x, *rest: seen.append(x) or real(m, h, x, *rest))
    pretrain.train(settings, data, Conditions(0, settings.epochs), all_images)
    monkeypatch.undo()
    return seen


def test_equal_steps_and_oversampling_take_the_steps_of_the_whole_set(monkeypatch):
    data = pretrain.images_of(TINY, "train")
    part = data.take(images.undersample(data.y, 1, 0.1, 0))  # 84 of 120 images, 4 of class 1
    count = {
        name: len(steps_of(replace(TINY, batch_size=20, **change), monkeypatch, part, len(data)))
        for name, change in {"plain": {}, "equal": {"equal_steps": True}, "over": {"weighting": "oversample"}}.items()
    }
    assert count == {"plain": 2 * 4, "equal": 2 * 6, "over": 2 * 6}
    seen = torch.cat(steps_of(replace(TINY, batch_size=20, weighting="oversample"), monkeypatch, part)).flatten(1)
    rare = part.x[part.y == 1].flatten(1)
    assert int((seen[:, None] == rare).all(2).any(1).sum()) == 2 * 40, "as often as any other class"


def test_batches_use_every_position_before_any_comes_again():
    pool = torch.arange(10) * 3
    taken = pretrain.batches(pool, 4, 6, torch.Generator().manual_seed(0))
    flat = torch.cat(taken)
    assert [len(b) for b in taken] == [4] * 6
    rounds = [sorted(part.tolist()) for part in flat.split(10)]
    assert rounds[0] == rounds[1] == pool.tolist() and len(set(rounds[2])) == 4
    assert not torch.equal(flat[:10], flat[10:20])


LONG = Unit(replace(TINY, method="bcl", weighting="oversample", epochs=40, learning_rate=0.05), ("", "1"), 0.1, 5)


def test_a_training_killed_in_the_middle_goes_on_and_ends_equal(store, tmp_path, monkeypatch):
    """kill -9 once a checkpoint of the second member is there; BCL's memory and the momentum must come back too."""
    whole = trained(LONG)
    curve, weights = (LONG.folder / "loss.csv").read_text(), load_file(LONG.folder / "checkpoint.safetensors")
    monkeypatch.setattr(stored, "STORE", store / "killed")
    file, part = tmp_path / "unit.json", LONG.folder / "1.part.safetensors"
    file.write_text(LONG.to_json())
    program = (
        "import sys; from pathlib import Path; from lib.encoders import pretrain, store;"
        f"store.STORE = Path({str(stored.STORE)!r}); sys.exit(pretrain.main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", program, str(file), "--save-seconds", "0"]
    job = subprocess.Popen(words, cwd=hashing.ROOT, env=os.environ | {"PYTHONPATH": "."}, stderr=subprocess.DEVNULL)
    deadline = time.time() + 60
    while not part.exists() and job.poll() is None and time.time() < deadline:
        time.sleep(0.005)
    job.kill()
    assert job.wait() == -signal.SIGKILL and not LONG.done
    with safe_open(part, "pt") as f:
        done = len(f.get_tensor("history"))
    assert 0 < done < LONG.settings.epochs
    real, epochs = training.generators, []
    monkeypatch.setattr(training, "generators", lambda seed, epoch, *at: epochs.append(epoch) or real(seed, epoch, *at))
    assert torch.equal(trained(LONG), whole), "bit for bit"
    assert epochs == list(range(done, LONG.settings.epochs)), "the first member and the epochs done are not run again"
    again = load_file(LONG.folder / "checkpoint.safetensors")
    assert set(again) == set(weights) and all(torch.equal(again[k], weights[k]) for k in weights)
    assert (LONG.folder / "loss.csv").read_text() == curve and not list(LONG.folder.glob("*.part.*"))


def test_training_imports_none_of_the_books_tools():
    """A bare GPU machine has no papermill, altair, pandas or Snakemake."""
    program = (
        "import sys, lib.encoders.pretrain; print({'papermill', 'altair', 'pandas', 'snakemake'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=hashing.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
