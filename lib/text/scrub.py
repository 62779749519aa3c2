"""Gender in the words of a text: taken out (scrubbed) or turned into the other gender (swapped).

Word lists and a rule for "her"; no grammar is parsed.  What the lists do not hold stays: a given name without a title,
"maternity", "fraternity", a women's college.  So a scrubbed text may still tell the gender; how much is measured, not
assumed (``lib.harms.predictability``).
"""

import re

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
_TITLED = re.compile(
    r"\b(Ms|Mrs|Mr|Miss|Madam|Dame|Sir|Dr|Prof|Professor|Doctor)\b(\.?)((?:[ \u00a0]+(?:[A-Z]\.|[A-Z][\w'’-]+)){0,3})"
)
_SWAP = {a.lower(): b.lower() for pair in (*GIVEN, *NOUNS) for a, b in (pair, pair[::-1])}
_SWAP |= {"she": "he", "he": "she", "herself": "himself", "himself": "herself", "him": "her", "hers": "his"}
_SWAP |= {"ms": "mr", "mrs": "mr", "miss": "mr", "mr": "ms", "madam": "sir", "dame": "sir", "sir": "madam"}
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
    himself → themself.  Ms, Mr and their like → "Mx".  Up to three capitalised words after a title, Dr and Professor
    too, are a name: each → "Person", there and wherever else it stands in the text.  Given names of ``GIVEN`` →
    "Person".  Verbs are not adapted ("they works"), and gendered nouns (mother, chairman) stay.
    """
    own = {word for match in _TITLED.finditer(text) for word in _names(match[3]) if len(word) > 1}
    text = _TITLED.sub(_neutral_title, text)
    return _GENDERED.sub(lambda match: _neutral(match, own), text)


def _swapped(match: re.Match) -> str:
    word, low = match[1], match[1].lower()
    if low == "her":
        return _cased("his" if _owns(match) else "him", word)
    if low == "his":
        return _cased("her" if _owns(match) else "hers", word)
    if low not in _SWAP or (low in _PROPER and word.islower()) or (low in _TITLES and word != low.capitalize()):
        return word  # "grace" is no name, and an MS is a degree
    return _cased(_SWAP[low], word)


def _neutral(match: re.Match, own: set[str]) -> str:
    word, low = match[1], match[1].lower()
    if word in own or word in _NAMES:
        return NEUTRAL_NAME
    if low == "her" and not _owns(match):
        return _cased("them", word)
    if low == "his" and not _owns(match):
        return _cased("theirs", word)
    return _cased(NEUTRAL[low], word) if low in NEUTRAL else word


def _neutral_title(match: re.Match) -> str:
    title = match[1] if match[1] in ("Dr", "Prof", "Professor", "Doctor") else NEUTRAL_TITLE
    names = _names(match[3])

    def neutral(word: re.Match) -> str:
        return NEUTRAL_NAME + _ending(word[0]) if _bare(word[0]) in names else word[0]

    tail = re.sub(r"[A-Z]\.|[A-Z][\w'’-]*", neutral, match[3])
    return title + match[2] + tail


def _names(words: str) -> list[str]:
    """The names among the words after a title, up to the first that begins a sentence or clause."""
    found = []
    for word in map(_bare, words.split()):
        if word in NOT_A_NAME:
            break
        found.append(word)
    return found


def _bare(word: str) -> str:
    return word.removesuffix(".").removesuffix(_ending(word))


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
