"""Gender in the words of a text: taken out (scrubbed) or turned into the other gender (swapped).

Word lists and a rule for "her"; no grammar is parsed.  What the lists do not hold stays: a given name without a title,
"maternity", "fraternity", a women's college.  So a scrubbed text may still tell the gender; how much is measured, not
assumed (``lib.harms.predictability``).
"""

import re
import unicodedata

# Given names in pairs, so that swapping is a bijection.  The generated biographies use these and no others.
_GIVEN = """
Alice/Adam Amara/Amir Anna/Aaron Beatrice/Benjamin Carla/Carlos Chiara/Claudio Clara/Conrad Diana/Daniel Elena/Emil
Fatima/Farid Grace/George Hannah/Henry Ingrid/Igor Julia/Julian Keiko/Kenji Laura/Lucas Maria/Mario Miriam/Martin
Nadia/Nathan Olivia/Oliver Paula/Paul Priya/Pranav Rosa/Robert Sarah/Simon Teresa/Thomas Valerie/Victor Yasmin/Yusuf
Zoe/Zachary"""
GIVEN = tuple(tuple(pair.split("/")) for pair in _GIVEN.split())
_NOUNS = """
woman/man women/men girl/boy girls/boys lady/gentleman ladies/gentlemen female/male females/males mother/father
mothers/fathers mom/dad daughter/son daughters/sons sister/brother sisters/brothers wife/husband wives/husbands
aunt/uncle aunts/uncles niece/nephew nieces/nephews grandmother/grandfather grandmothers/grandfathers
granddaughter/grandson granddaughters/grandsons stepmother/stepfather girlfriend/boyfriend widow/widower bride/groom
alumna/alumnus alumnae/alumni businesswoman/businessman businesswomen/businessmen chairwoman/chairman
spokeswoman/spokesman"""
NOUNS = tuple(tuple(pair.split("/")) for pair in _NOUNS.split())
TITLES = (("Ms", "Mr"), ("Mrs", "Mr"), ("Miss", "Mr"), ("Madam", "Sir"), ("Dame", "Sir"))
NEUTRAL_TITLE, NEUTRAL_NAME = "Mx", "Person"
NEUTRAL = {"she": "they", "he": "they", "her": "their", "his": "their", "him": "them", "hers": "theirs"}
NEUTRAL |= {"herself": "themself", "himself": "themself"}
# After one of these, or at the end of a clause, "her" is the object (him) and "his" stands alone (hers); else both own
# the word that follows.  "gave her time" is read as owning, which is right of time and wrong of a person given it.
_AFTER_OBJECT = """
a about after again also although among an and another any are as at back because become before between both but by
due during each either every for from had has he how if in into is just like no now of off on onto or out over she
since so some such than that the their then there these they this those through to together too towards twice under
until up upon via was well were what when where whether which while who whom why will with within without yet you"""
AFTER_OBJECT = frozenset(_AFTER_OBJECT.split())
_NOT_A_NAME = "A After An And As At But For From He Her His In It On She Since The Their They We When With"
NOT_A_NAME = frozenset(_NOT_A_NAME.split())

_NEXT = r"(?=(\s+[A-Za-z0-9]+)?)"  # the word that follows, which the match leaves where it is
_GENDERED = re.compile(r"\b([A-Za-z]+)\b" + _NEXT)
_LETTER = r"[^\W\d_]"  # of any script
_INITIALS = rf"(?:{_LETTER}\.-?)+"  # J., J.R., J.-P.
_NAME = rf"{_LETTER}\w*(?:['’‐‑-]\w+)*"
_HYPHENS = "[‐‑-]"
_PARTICLES = "al bin da de del della den der di dos du el ibn la le ten ter van von"
_TITLE = re.compile(r"\b(Ms|Mrs|Mr|Miss|Madam|Dame|Sir|Dr|Prof|Professor|Doctor)\b(\.?)")
_GAP = r"[ \u00a0]+"
_WORD = re.compile(
    rf"(?P<before>(?:{_GAP}(?:{_PARTICLES.replace(' ', '|')})\b)*{_GAP})"
    rf"(?:{_INITIALS}(?P<after>{_NAME})?|(?P<name>{_NAME}))"
)
_SWAP = {a.lower(): b.lower() for pair in (*GIVEN, *NOUNS) for a, b in (pair, pair[::-1])}
_SWAP |= {"she": "he", "he": "she", "herself": "himself", "himself": "herself", "him": "her", "hers": "his"}
_SWAP |= {"ms": "mr", "mrs": "mr", "miss": "mr", "mr": "ms", "madam": "sir", "dame": "sir", "sir": "madam"}
_OF_WORK = ("Dr", "Prof", "Professor", "Doctor")  # titles that tell no gender
_TITLES = frozenset(title.lower() for pair in TITLES for title in pair)
_PROPER = frozenset(name.lower() for pair in GIVEN for name in pair)  # these count with a capital alone


def swap(text: str) -> str:
    """The text with every gendered word of the lists turned into its partner, case kept: a counterfactual.

    Pronouns, titles, nouns and the given names of ``GIVEN``.  "her" becomes "his" before a word that it can own and
    "him" before a word of ``AFTER_OBJECT``, punctuation or the end; "his" becomes "her" or "hers" by the same rule.
    Swapping twice gives the text back, except where that rule errs ("gave him time" comes back as "gave his time")
    and where titles of women fall together (Mrs and Miss come back as Ms, Dame as Madam).
    """
    return _GENDERED.sub(_swapped, text)


def scrub(text: str) -> str:
    """The text with pronouns, titles and names replaced by neutral forms, case and word boundaries kept.

    she, he → they; her, his → their, or them where "her" is an object (rule of ``swap``); hers → theirs; herself,
    himself → themself.  Ms, Mr and their like → "Mx".  Up to three words after a title, Dr and Professor too, that do
    not begin with a small letter are a name: each → "Person", there and wherever else it or a part of it that a hyphen
    joins stands in the text; initials, of any number, there alone; "van" and its like stay.  Given names of ``GIVEN`` →
    "Person".  Verbs are not adapted ("they works"), and gendered nouns (mother, chairman) stay.  Letters are those of
    every script, in normal form C.
    """
    text = unicodedata.normalize("NFC", text)
    own, shown, at = set(), [], 0
    for title in _TITLE.finditer(text):
        if title.start() < at:  # a part of a name
            continue
        shown += [text[at : title.start()], title[1] if title[1] in _OF_WORK else NEUTRAL_TITLE, title[2]]
        at = title.end()
        for word in _named(text, at):
            own |= _parts(word["name"] or word["after"] or "")
            shown += [word["before"], NEUTRAL_NAME, _ending(word[0])]
            at = word.end()
    text = "".join(shown) + text[at:]
    text = _anywhere(own).sub(NEUTRAL_NAME, text) if own else text
    return _GENDERED.sub(_neutral, text)


def _swapped(match: re.Match) -> str:
    word, low = match[1], match[1].lower()
    if low == "her":
        return _cased("his" if _owns(match) else "him", word)
    if low == "his":
        return _cased("her" if _owns(match) else "hers", word)
    if low not in _SWAP or (low in _PROPER and word.islower()) or (low in _TITLES and word != low.capitalize()):
        return word  # "grace" is no name, and an MS is a degree
    return _cased(_SWAP[low], word)


def _neutral(match: re.Match) -> str:
    word, low = match[1], match[1].lower()
    if word in _NAMES:
        return NEUTRAL_NAME
    if low == "her" and not _owns(match):
        return _cased("them", word)
    if low == "his" and not _owns(match):
        return _cased("theirs", word)
    return _cased(NEUTRAL[low], word) if low in NEUTRAL else word


def _named(text: str, at: int) -> list[re.Match]:
    """The words of a name that begins there, three at most, up to a title or a word that begins a sentence."""
    found = []
    while len(found) < 3 and (word := _WORD.match(text, at)):
        first = word[0].removeprefix(word["before"])
        bare = first.removesuffix(_ending(first))
        if first[0].islower() or bare in NOT_A_NAME or _TITLE.fullmatch(bare):
            break
        found.append(word)
        at = word.end()
    return found


def _parts(name: str) -> set[str]:
    """A name without its possessive, and the parts that hyphens join, none of one letter or of a small one."""
    name = name.removesuffix(_ending(name))
    return {part for part in (name, *re.split(_HYPHENS, name)) if len(part) > 1 and not part[0].islower()}


def _anywhere(names: set[str]) -> re.Pattern:
    """The names as whole words, the longest first, whichever apostrophe or hyphen they are written with."""
    either = dict.fromkeys("'’", "['’]") | dict.fromkeys("‐‑-", _HYPHENS)
    words = ("".join(either.get(c, re.escape(c)) for c in name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"\b(?:{'|'.join(words)})\b")


def _ending(word: str) -> str:
    """The possessive 's of a name, which stays."""
    return word[-2:] if word.endswith(("'s", "’s")) else ""


def _owns(match: re.Match) -> bool:
    """Whether a word follows that "her" or "his" can own."""
    return match[2] is not None and match[2].strip().lower() not in AFTER_OBJECT


def _cased(word: str, like: str) -> str:
    """The word in the case of the one it replaces: HER → HIS, Her → His, her → his."""
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word.capitalize() if like[0].isupper() else word


_NAMES = frozenset(name for pair in GIVEN for name in pair)
