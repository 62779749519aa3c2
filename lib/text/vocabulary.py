"""The words and pieces that the small text model knows."""

from collections import Counter
from collections.abc import Sequence

VOCABULARY = 1500  # words and pieces at most
SPECIAL = ("pad", "unk", "cls", "sep", "mask")


def vocabulary(texts: Sequence[str]) -> dict[str, int]:
    """Codes of WordPiece: the special tokens, every character, at the start of a word and inside, and the words that
    occur twice or more, the most frequent first.

    The same for the same texts; a vocabulary that tokenizers learns is not, since it breaks ties at random.
    """
    from tokenizers import BertWordPieceTokenizer

    cut = BertWordPieceTokenizer(lowercase=True)
    count = Counter(w for t in texts for w, _ in cut.pre_tokenizer.pre_tokenize_str(cut.normalizer.normalize_str(t)))
    letters = sorted(set("".join(count)))
    words = sorted((w for w, n in count.items() if n > 1 and len(w) > 1), key=lambda w: (-count[w], w))
    pieces = [f"[{name.upper()}]" for name in SPECIAL] + letters + [f"##{c}" for c in letters] + words
    return {piece: code for code, piece in enumerate(pieces[:VOCABULARY])}
