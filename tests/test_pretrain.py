"""lib.pretrain on three classes of digits: the same numbers again, whole folders, and clear ends."""

import csv
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch.optim.lr_scheduler import CosineAnnealingLR

from lib import augment, code, encoders, images, pretrain, records
from lib.encoders import Settings, Unit
from lib.pretrain import TrainingError

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
    monkeypatch.setattr(encoders, "STORE", tmp_path / "encoders")
    monkeypatch.delenv(records.OWNER, raising=False)
    return tmp_path / "encoders"


def trained(unit: Unit) -> torch.Tensor:
    pretrain.run(unit)
    return unit.embeddings()[0].clone()  # the file itself is mapped into memory


def test_the_same_settings_and_seed_give_the_same_bits(store, monkeypatch):
    first = trained(BIT)
    weights = load_file(BIT.folder / "checkpoint.safetensors")
    monkeypatch.setattr(encoders, "STORE", store / "again")
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
    real, data = augment.view, pretrain.load(TINY, "train")

    def seen(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        batches, views = [], []

        def view(x, *rest):
            batches.append(x)
            views.append(real(x, *rest))
            return views[-1]

        monkeypatch.setattr(augment, "view", view)
        pretrain.train(TINY, data, seed, lambda *_: None)
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
        *("checkpoint.safetensors", "embeddings.safetensors", "loss.csv", "record.json")
    ]
    assert z.shape == (2, len(test), 64) and z.dtype == torch.float32
    assert torch.equal(BIT.embeddings()[1], test.y)
    with open(folder / "loss.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    assert [(r["undersampled"], r["epoch"]) for r in rows] == [
        ("balanced", "1"),
        ("balanced", "2"),
        ("1", "1"),
        ("1", "2"),
    ]
    assert all(0 < float(r["loss"]) < math.log(2 * TINY.batch_size - 1) + 2 for r in rows)
    record = BIT.record
    assert record["images"] == [120, 84]  # 40 a class; 4 of 40 kept
    assert record["unit"]["seed"] == 5 and record["device"] and record["threads"] == torch.get_num_threads()
    assert record["data_sha256"]["test"] == images.digest(test)
    assert set(record["packages"]) == set(encoders.PACKAGES) and record["seconds"] >= 0
    progress = capsys.readouterr().err
    assert "encoder 2 of 2, epoch 2/2" in progress and "s left" in progress


def test_the_checkpoint_gives_the_embeddings():
    z = trained(BIT)
    train, test = pretrain.load(TINY, "train"), pretrain.load(TINY, "test")
    weights = load_file(BIT.folder / "checkpoint.safetensors")
    encoder = pretrain.Encoder(TINY, train.x)
    encoder.load_state_dict({k.removeprefix("1."): v for k, v in weights.items() if k.startswith("1.")})
    encoder.to(memory_format=torch.channels_last)
    assert torch.allclose(pretrain.embed(encoder, test.x), z[1], atol=1e-6)
    assert torch.allclose(pretrain.embed(encoder, test.x, batch=7), z[1], atol=1e-5)


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
    start = pretrain.Encoder(TINY, images.load("digits", "train").x)
    assert torch.allclose(pretrain.embed(start, pretrain.load(TINY, "test").x), z[0], atol=1e-6)
    assert (unit.folder / "loss.csv").read_text().splitlines() == ["undersampled,epoch,loss"]


def test_training_lowers_the_loss():
    settings = replace(TINY, epochs=12, images_per_class=0, batch_size=128)
    _, history = pretrain.train(settings, pretrain.load(settings, "train"), 0, lambda *_: None)
    assert len(history) == 12 and history[-1] < history[0] - 0.3


def test_settings_cut_the_training_split_alone():
    train, test = pretrain.load(TINY, "train"), pretrain.load(TINY, "test")
    assert torch.bincount(train.y).tolist() == [40] * 3 and train.classes == test.classes == ("0", "1", "8")
    assert len(test) == int((images.load("digits", "test").y[:, None] == torch.tensor([0, 1, 8])).sum())


def test_normalise_standardises_each_channel():
    data = pretrain.load(TINY, "train")
    encoder = pretrain.Encoder(replace(TINY, normalise=True), data.x)
    x = (data.x / 255 - encoder.mean) / encoder.std
    assert abs(float(x.mean())) < 1e-5 and float(x.std()) == pytest.approx(1, abs=1e-4)
    plain = pretrain.Encoder(TINY, data.x)
    assert (plain.mean == 0).all() and (plain.std == 1).all()


def test_learning_rate_is_torchs_cosine():
    settings, steps = Settings(squared_learning_rate=False), 50
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=settings.learning_rate)
    schedule = CosineAnnealingLR(sgd, steps, eta_min=settings.final_learning_rate)
    for step in range(steps + 1):
        assert pretrain.learning_rate(settings, step, steps) == pytest.approx(sgd.param_groups[0]["lr"], abs=1e-12)
        sgd.step()
        schedule.step()


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


def test_main_says_which_file_is_missing(tmp_path, capsys):
    assert pretrain.main([str(tmp_path / "none.json")]) == 1
    assert "none.json" in capsys.readouterr().err


def test_training_imports_none_of_the_books_tools():
    """A bare GPU machine has no papermill, altair, pandas or Snakemake."""
    program = "import sys, lib.pretrain; print({'papermill', 'altair', 'pandas', 'snakemake'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=code.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
