"""leaks: a sentence is found however it is wrapped, and none of the real data stands in a file of the book."""

import gzip
import html
import json
import subprocess
import tempfile
import unicodedata
from pathlib import Path

import leaks
import pytest
import torch

from lib import text
from lib.hashing import ROOT
from lib.text import generated
from lib.text.corpora import Biographies

SENTENCE = "Zoë's brother-in-law said \"it can't be done\" & she <quietly> did it in Łódź anyway."
SHORT = "He is 5 feet tall."


def known() -> Biographies:
    codes = torch.zeros(3).long()
    return Biographies(
        ["One two three.", f"Nothing here. {SENTENCE}", f"Three words only. {SHORT}"], codes, codes, ("a",)
    )


WRAPPED = {
    "plain": SENTENCE,
    "html": html.escape(SENTENCE),
    "html twice": html.escape(html.escape(SENTENCE)),
    "numeric entities": "".join(f"&#{ord(c)};" if not c.isalnum() or ord(c) > 127 else c for c in SENTENCE),
    "json": json.dumps({"x": SENTENCE}),
    "json in json": json.dumps(json.dumps(SENTENCE)),
    "json in html": html.escape(json.dumps(SENTENCE)),
    "newlines": SENTENCE.replace(" ", "\n   "),
    "json newlines": json.dumps(SENTENCE.replace(" ", "\n\t")),
    "tags": "<p>" + "</span> <span class='x y z'>".join(map(html.escape, SENTENCE.split())) + "</p>",
    "attribute": f'<img alt="{html.escape(SENTENCE)}">',
    "other quotes": SENTENCE.replace("'", "’").replace('"', "“"),
    "case": SENTENCE.upper(),
    "decomposed letters": unicodedata.normalize("NFD", SENTENCE),
    "no-break spaces": SENTENCE.replace(" ", "\u00a0"),
    "cut short": " ".join(SENTENCE.split()[:12]) + "…",
    "cut at both ends": " ".join(SENTENCE.split()[2:13]),
}


@pytest.mark.parametrize("how", WRAPPED)
def test_a_planted_sentence_is_found(tmp_path, how):
    (tmp_path / "sub").mkdir()
    page = tmp_path / "sub" / "page.html"
    page.write_text(f"<html>words before {WRAPPED[how]} and after</html>", encoding="utf-8")
    (tmp_path / "clean.txt").write_text("One two three. Nothing here. " + " ".join(reversed(SENTENCE.split())))
    assert leaks.scan([tmp_path], known()) == [leaks.Leak(page, 1)]
    assert leaks.scan([page], leaks.sentences(known())) == [leaks.Leak(page, 1)]


def test_what_is_found_is_named_by_file_and_row_alone(tmp_path):
    page = tmp_path / "a.json"
    page.write_text(json.dumps([SENTENCE]))
    (found,) = leaks.scan([page], known())
    assert str(found) == f"{page}: row 1" and "Zoë" not in repr(found) + repr(leaks.sentences(known()))


def test_other_files(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(SENTENCE.encode()))
    (tmp_path / "b.bin").write_bytes(b"\xff\xfe" + SENTENCE.encode() + b"\x00")
    (tmp_path / "c.png").write_bytes(SENTENCE.encode())  # a picture is not read
    (tmp_path / "d").write_text("")
    (tmp_path / "e").write_text(" ".join(SENTENCE.split()[:5]))
    assert [leak.path.name for leak in leaks.scan([tmp_path], known())] == ["a.txt.gz", "b.bin"]
    with pytest.raises(FileNotFoundError, match="nothing was scanned"):
        leaks.scan([tmp_path / "gone"], known())


def test_sentences_of_fewer_than_six_words_do_not_count(tmp_path):
    page = tmp_path / "a"
    page.write_text(f"{SHORT} One two three. Three words only.")
    assert leaks.scan([page], known()) == []
    codes = torch.zeros(1).long()
    six = Biographies(["He is exactly 6 feet tall."], codes, codes, ("a",))
    page.write_text("Yes, he is exactly 6 feet tall, no more.")
    assert leaks.scan([page], six) == [leaks.Leak(page, 0)]


def test_every_row_of_a_set_is_found_and_its_words_in_another_order_are_not(tmp_path):
    b = generated.generate(20, 0, length=2)
    keys = leaks.sentences(b)
    for row in range(0, len(b), 7):
        (tmp_path / str(row)).write_text(f"<td>{html.escape(b.text[row])}</td>")
    (tmp_path / "z").write_text("\n".join(" ".join(reversed(t.split())) for t in b.text))
    assert sorted(leak.row for leak in leaks.scan([tmp_path], keys)) == list(range(0, len(b), 7))


@pytest.mark.real_data
def test_no_real_text_stands_in_the_book(real_data):
    real_data("bios_subset")
    keys = leaks.sentences(text.load("bios_subset", "all", occupations=None))
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    made = [ROOT / "build" / "_build" / "html", ROOT / "results"]
    logs = [p for p in (ROOT / "build").rglob("*") if p.suffix in (".log", ".txt", ".ipynb", ".json", ".md", ".csv")]
    found = leaks.scan([*files, *(p for p in made if p.exists()), *(p for p in logs if p.is_file())], keys)
    assert not found, "; ".join(map(str, found))


@pytest.mark.real_data
def test_a_real_text_would_be_found(real_data):
    real_data("bios_subset")
    b = text.load("bios_subset", "all", occupations=None)
    keys = leaks.sentences(b)
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which is kept after the test
        page = Path(folder) / "page.html"
        missed = 0
        for row in range(0, len(b), 20):
            page.write_text(f"<p>before</p><script>{json.dumps({'bio': html.escape(b.text[row])})}</script>")
            missed += not leaks.scan([page], keys)
        page.write_text("\n".join(generated.generate(200, 0).text))
        assert missed == 0 and leaks.scan([page], keys) == [], f"{missed} rows missed"
