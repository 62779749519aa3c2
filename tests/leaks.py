"""Whether a text that must stay private stands in a file: a page, a result, a log.  Never names more than file and row.

A text counts as leaked where a sentence of at least six words does, or ten words of it in a row, so that a shortened
quotation is found too.  Compared are words alone, in lower case: punctuation, tags, line breaks, HTML entities and
JSON escapes do not hide a sentence.  Pictures, and files that are encrypted or in another encoding, are not read.
"""

import gzip
import html
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.text.corpora import Biographies

FEWEST, LONGEST = 6, 10  # words of a sentence that counts, and of a run that is looked for
NOT_TEXT = frozenset((".png", ".jpg", ".ico", ".woff", ".woff2", ".ttf", ".safetensors", ".pt", ".npy", ".npz", ".pyc"))
_WORD = re.compile(r"[^\W_]+")
_TAG = re.compile(r"<[^<>]*>")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|[\r\n]+")
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_ESCAPE = re.compile(r"\\[nrtbf]")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, of a hash modulo 2^64


@dataclass(frozen=True)
class Leak:
    """A file that holds a sentence, and the row (from 0) of the text it is of."""

    path: Path
    row: int

    def __str__(self) -> str:
        return f"{self.path}: row {self.row}"


@dataclass(frozen=True, repr=False)
class Sentences:
    """Hashes of runs of words: what ``scan`` looks for.  words: their codes, from 1; keys: for each length the sorted
    hashes of the runs, uint64, and the row of each.
    """

    words: dict[str, int]
    keys: dict[int, tuple[np.ndarray, np.ndarray]]

    def __repr__(self) -> str:
        return f"Sentences({sum(len(hashes) for hashes, _ in self.keys.values())} runs)"


def sentences(b: Biographies) -> Sentences:
    """The runs of words that give a text of the set away: every sentence of 6 to 10 words, and every 10 words in a row
    of a longer one.
    """
    codes: dict[str, int] = {}
    runs: dict[int, list[np.ndarray]] = {n: [] for n in range(FEWEST, LONGEST + 1)}
    rows: dict[int, list[np.ndarray]] = {n: [] for n in runs}
    for row, text in enumerate(b.text):
        for sentence in _SENTENCE.split(text):
            ids = np.array([codes.setdefault(w, len(codes) + 1) for w in _words(sentence)], dtype=np.uint64)
            n = min(len(ids), LONGEST)
            if n >= FEWEST:
                runs[n].append(_hashes(ids, n))
                rows[n].append(np.full(len(runs[n][-1]), row))
    keys = {}
    for n in runs:
        if runs[n]:
            hashes, first = np.unique(np.concatenate(runs[n]), return_index=True)
            keys[n] = hashes, np.concatenate(rows[n])[first]
    return Sentences(codes, keys)


def scan(paths: Iterable[Path], b: Biographies | Sentences) -> list[Leak]:
    """The files that hold a sentence of the set, with one row for each: never the text.

    paths: files, and folders that are searched whole.  b: the set, or its ``sentences`` where many scans share them.
    FileNotFoundError: a path that is not there (a scan of nothing must not pass for a clean one).
    """
    known = b if isinstance(b, Sentences) else sentences(b)
    found = []
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there; nothing was scanned")
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            row = None if file.suffix.lower() in NOT_TEXT else _first(_read(file), known)
            if row is not None:
                found.append(Leak(file, row))
    return found


def _first(text: str, known: Sentences) -> int | None:
    """The row of the first run of known words in a file, read as it is and again without its tags."""
    for version in (text, _TAG.sub(" ", text)) if "<" in text else (text,):
        ids = np.array([known.words.get(w, 0) for w in _words(_unescaped(version))], dtype=np.uint64)
        for n, (hashes, rows) in known.keys.items():
            here = _hashes(ids, n)
            place = np.searchsorted(hashes, here).clip(max=len(hashes) - 1)
            hit = (hashes[place] == here).nonzero()[0]
            if len(hit):
                return int(rows[place[hit[0]]])
    return None


def _hashes(ids: np.ndarray, n: int) -> np.ndarray:
    """A hash of every run of n codes, modulo 2^64."""
    total = np.zeros(max(0, len(ids) - n + 1), dtype=np.uint64)
    for i in range(n):
        total = (total + _mixed(ids[i : i + len(total)])) * _FACTOR
    return total


def _mixed(ids: np.ndarray) -> np.ndarray:
    """The codes with their bits spread, so that sums of small numbers do not meet."""
    mixed = (ids + np.uint64(1)) * _FACTOR
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ (mixed >> np.uint64(32))


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def _unescaped(text: str) -> str:
    """The text without HTML entities and JSON escapes, those in one another too ("&amp;#39;", "\\\\u0027")."""
    if "\\" in text:
        text = re.sub(r"\\+", r"\\", text)
        text = _ESCAPE.sub(" ", _UNICODE.sub(lambda match: chr(int(match[1], 16)), text))
    return html.unescape(html.unescape(text)) if "&" in text else text


def _read(file: Path) -> str:
    blob = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return blob.decode("utf-8", "replace")
