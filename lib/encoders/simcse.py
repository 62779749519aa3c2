"""Train text encoders: ``python -m lib.encoders.simcse UNITS.json``, one unit or several in a process.

SimCSE (Gao, Yao & Chen 2021): two passes of a text through the encoder, with other dropout, are its two views.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from lib import losses, text
from lib.encoders import devices, training
from lib.encoders.methods import group_weights
from lib.encoders.store import BALANCED
from lib.encoders.text_settings import OWN_SPLIT, TextSettings, TextUnit, minilm
from lib.encoders.training import Conditions
from lib.text import generated, scrub
from lib.text.vocabulary import SPECIAL, vocabulary

SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
MASKED, MASKED_RATE, MASKED_BATCH = 0.15, 1e-3, 64
FOLDS = 5
CHUNK = 16  # batches whose texts are sorted by length together
WARMUP = 0.1  # share of the steps over which the learning rate rises
BERT = "bert-base-uncased"
BERT_REVISION = "86b5e0934494bd15c9632b12f734a8a67f723594"


@dataclass(frozen=True)
class Tokens:
    """Texts as codes: ids and mask (n, t) int64, padded to the longest, and the number of tokens of each (n,)."""

    ids: Tensor
    mask: Tensor

    @property
    def length(self) -> Tensor:
        return self.mask.sum(1)

    def rows(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """ids and mask of some texts, cut to the longest of them."""
        t = int(self.length[index].max())
        return self.ids[index, :t], self.mask[index, :t]


def texts_of(s: TextSettings, split: str, fold: int) -> text.Biographies:
    """The biographies that the settings name: the training or the test split, or all but, or alone, a fold of all."""
    if s.data == "generated":
        options = {"cue": s.cue, "stereotype": s.stereotype, "length": s.sentences}
        found = generated.generate(s.per_group, int(split == "test"), **options)
    elif fold == OWN_SPLIT:
        found = text.load(s.data, split, revision=s.revision)
    else:
        found = text.load(s.data, "all", revision=s.revision)
        parts = text.folds(found, FOLDS, seed=0)  # (n,)
        found = found.take(parts != fold if split == "train" else parts == fold)
    if not s.scrubbed:
        return found
    return replace(found, text=[scrub.scrub(t) for t in found.text], swapped=())


def kept(data: text.Biographies, member: str, ratio: float, seed: int) -> Tensor:
    """Rows of the training texts: both genders of an occupation equally often, and ``ratio`` of the member's group."""
    even, counts = torch.arange(len(data)), data.counts()  # (K, 2)
    for o, g in (counts > counts.min(1, keepdim=True).values).nonzero().tolist():
        names = data.occupations[o], data.genders[g]
        share = float(counts[o].min() / counts[o, g])
        even = even[text.undersample(data.take(even), *names, share, seed)]
    if member == BALANCED:
        return even
    return even[text.undersample(data.take(even), *member.split(":"), ratio, seed)]


def tokenizer(s: TextSettings, folder: Path | None = None, corpus: text.Biographies | None = None):
    """The model's tokenizer; that of the small model is read from its folder, or made from a corpus and put there."""
    from lib.images import vision  # noqa: F401  before transformers, which imports torchvision itself

    # isort: split
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if s.model != "small":
        return AutoTokenizer.from_pretrained(**_pretrained(s.model))
    special = {f"{name}_token": f"[{name.upper()}]" for name in SPECIAL}
    path = folder / "tokenizer.json"
    if not path.exists():
        from tokenizers import BertWordPieceTokenizer

        made = BertWordPieceTokenizer(vocabulary(corpus.text), lowercase=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        made.save(str(path))
    return PreTrainedTokenizerFast(tokenizer_file=str(path), **special)


def encode(words, texts: tuple[str, ...], max_length: int) -> Tokens:
    """Texts to codes, each cut to ``max_length`` tokens."""
    found = words(list(texts), truncation=True, max_length=max_length, padding=True, return_tensors="pt")
    return Tokens(found["input_ids"], found["attention_mask"])


def _pretrained(model: str) -> dict:
    """What ``from_pretrained`` is called with; ValueError where the weights' package is not installed."""
    if model == "bert":
        return {"pretrained_model_name_or_path": BERT, "revision": BERT_REVISION, "trust_remote_code": False}
    return {"pretrained_model_name_or_path": str(minilm()), "trust_remote_code": False}


class TextEncoder(nn.Module):
    """A BERT, its pooling, and the projection that training alone uses: one linear layer and tanh, as in SimCSE."""

    def __init__(self, s: TextSettings, vocabulary: int):
        super().__init__()
        from lib.images import vision  # noqa: F401  before transformers, which imports torchvision itself

        # isort: split
        from transformers import AutoModel, BertConfig, BertModel

        if s.model == "small":
            config = BertConfig(vocab_size=vocabulary, max_position_embeddings=max(s.max_length, 16), **SMALL)
            self.net = BertModel(config, add_pooling_layer=False)
        else:
            self.net = AutoModel.from_pretrained(**_pretrained(s.model))
        width = self.net.config.hidden_size
        self.head, self.pooling = nn.Sequential(nn.Linear(width, width), nn.Tanh()), s.pooling

    def features(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(n, t) ids and mask to the pooled (n, d): the mean over the tokens, or the first."""
        states = self.net(input_ids=ids, attention_mask=mask).last_hidden_state  # (n, t, d)
        if self.pooling == "cls":
            return states[:, 0]
        weight = mask[..., None].to(states.dtype)
        return (states * weight).sum(1) / weight.sum(1)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(n, t) ids and mask to the projections (n, d) that the loss sees."""
        return self.head(self.features(ids, mask))


def by_length(length: Tensor, size: int, generator: Generator) -> Iterator[Tensor]:
    """Positions in batches of texts of like length, in random order; the last short batch is dropped."""
    order = torch.randperm(len(length), generator=generator)
    found = []
    for part in order.split(CHUNK * size):
        found += part[length[part].argsort(stable=True)].split(size)
    found = [b for b in found if len(b) == size]
    for i in torch.randperm(len(found), generator=generator).tolist():
        yield found[i]


def rate(step: int, steps: int, peak: float) -> float:
    """A linear rise over the first tenth of the steps, then a linear fall to 0."""
    rise = max(1, round(WARMUP * steps))
    return peak * min((step + 1) / rise, (steps - step) / max(1, steps - rise))


@dataclass(frozen=True)
class TextViews:
    """What is trained on: the tokens of both views, the same but for counterfactual pairs, and codes (n,) of the group
    that NT-Xent is weighted by and of the occupation.
    """

    views: tuple[Tokens, Tokens]
    group: Tensor
    occupation: Tensor


def train(s: TextSettings, encoder: TextEncoder, pairs: TextViews, conditions: Conditions) -> list[float]:
    """Train an encoder on texts, in place; the mean loss of every epoch.

    TrainingError: fewer texts than a batch, or a loss that is not finite.
    """
    home, length = conditions.home, pairs.views[0].length
    training.steps_of(len(length), s.batch_size, "texts")
    encoder.to(home.device)
    weight = None if s.weighting == "none" else group_weights(pairs.group)
    adam, model = torch.optim.AdamW(encoder.parameters(), s.learning_rate), home.prepare(encoder)
    steps = sum(1 for _ in by_length(length, s.batch_size, Generator().manual_seed(0)))

    def losses_of(epoch: int, order: Generator, _: Generator) -> Iterator[Tensor]:
        training.seed_dropout(order, home)
        for i, batch in enumerate(by_length(length, s.batch_size, order)):
            adam.param_groups[0]["lr"] = rate(epoch * steps + i, s.epochs * steps, s.learning_rate)
            mine = batch[home.process_index :: home.num_processes]
            with home.autocast():
                z1, z2 = (model(*(t.to(home.device) for t in v.rows(mine))).float() for v in pairs.views)
            yield _loss(s, losses.gather(z1), losses.gather(z2), batch, weight, pairs.occupation)

    return training.fit(conditions, encoder, adam, losses_of)


def _loss(s: TextSettings, z1: Tensor, z2: Tensor, batch: Tensor, weight: Tensor | None, occupation: Tensor) -> Tensor:
    if s.method == "supervised_simcse":
        return losses.sup_con(z1, z2, occupation[batch].to(z1.device), s.temperature)
    own = None if weight is None else weight[batch].to(z1.device)
    return losses.nt_xent(z1, z2, s.temperature, weights=own, block=512 if 2 * len(z1) > 512 else None)


def learn_masked_words(encoder: TextEncoder, tokens: Tokens, words, conditions: Conditions) -> list[float]:
    """Devlin et al. (2019), section 3.1: guess 15 % of the tokens, of which 80 % are hidden and 10 % replaced.

    The output layer shares the input embeddings.  Returns the mean loss of every epoch.
    """
    embeddings = encoder.net.get_input_embeddings().weight

    def losses_of(_: int, order: Generator, draws: Generator) -> Iterator[Tensor]:
        training.seed_dropout(order, conditions.home)
        for batch in by_length(tokens.length, min(MASKED_BATCH, len(tokens.ids)), order):
            ids, mask = tokens.rows(batch)
            special = (ids == words.cls_token_id) | (ids == words.sep_token_id) | (mask == 0)
            asked = (torch.rand(ids.shape, generator=draws) < MASKED) & ~special
            chance = torch.rand(ids.shape, generator=draws)
            other = torch.randint(len(words), ids.shape, generator=draws)
            seen = torch.where(asked & (chance < 0.8), words.mask_token_id, ids)
            seen = torch.where(asked & (chance >= 0.9), other, seen)
            states = encoder.net(input_ids=seen, attention_mask=mask).last_hidden_state[asked]
            yield F.cross_entropy(states @ embeddings.T, ids[asked])

    return training.fit(conditions, encoder, torch.optim.AdamW(encoder.parameters(), MASKED_RATE), losses_of)


@torch.no_grad()
def embed_texts(encoder: TextEncoder, tokens: Tokens, batch: int = 256) -> Tensor:
    """Features (n, d) float32 on the CPU, without dropout and without the head; texts of like length together."""
    encoder.eval()
    place = next(encoder.parameters()).device
    order = tokens.length.argsort(stable=True)
    found = [encoder.features(*(t.to(place) for t in tokens.rows(part))).cpu() for part in order.split(batch)]
    return torch.cat(found)[order.argsort()]


def run(unit: TextUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train every member of the unit and write its folder; does nothing where the folder is whole.

    A training that was killed goes on from its last checkpoint; they are ``save_seconds`` apart.
    """
    if unit.done:
        return
    start, s, home = time.time(), unit.settings, devices.place(unit.settings.precision)
    data = {split: texts_of(s, split, unit.fold) for split in ("train", "test")}
    words = tokenizer(s, (unit.base or unit).folder, data["train"])
    tokens = {split: encode(words, b.text, s.max_length) for split, b in data.items()}
    trained = []
    for number, member in enumerate(unit.members):
        torch.manual_seed(unit.seed)
        encoder = TextEncoder(s, len(words))
        rows = kept(data["train"], member, unit.ratio, unit.seed)
        if unit.base:
            training.read_weights(unit.base, encoder.net, "net.")
        conditions, history = training.followed(unit, number, home, save_seconds), []
        if s.method != "pretrained":
            own = Tokens(tokens["train"].ids[rows], tokens["train"].mask[rows])
            history = train(s, encoder, _pairs(s, encoder, words, data["train"].take(rows), own, unit.seed), conditions)
        elif s.model == "small":
            history = learn_masked_words(encoder, tokens["train"], words, Conditions(unit.seed, s.masked_epochs))
        features = {split: embed_texts(encoder, tokens[split]) for split in data}
        trained.append(training.Trained(encoder, history, features, rows))
    labels = {split: b.occupation for split, b in data.items()}
    training.write(unit, trained, labels, {split: text.digest(b) for split, b in data.items()}, start)


def _pairs(s: TextSettings, encoder: TextEncoder, words, part: text.Biographies, own: Tokens, seed: int) -> TextViews:
    """The texts ``part`` with their tokens, swapped in the second view where the settings say so."""
    other = own
    if s.counterfactual:
        other = encode(words, part.swapped or tuple(scrub.swap(t) for t in part.text), s.max_length)
    return TextViews((own, other), _groups(s, part, partial(embed_texts, encoder, own), seed), part.occupation)


def _groups(s: TextSettings, part: text.Biographies, features: Callable[[], Tensor], seed: int) -> Tensor:
    """Codes (n,) of occupation by gender, or of as many k-means clusters under the encoder as it stands."""
    codes = 2 * part.occupation + part.gender
    if s.weighting != "clusters":
        return codes
    from sklearn.cluster import KMeans

    z = F.normalize(features(), dim=1).numpy()
    return torch.from_numpy(KMeans(len(codes.unique()), n_init=4, random_state=seed).fit_predict(z)).long()


main = partial(training.main, run=run, read=TextUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
