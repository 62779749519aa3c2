"""Biographies with an occupation and a gender: read, generated, scrubbed, swapped.

May import ``lib.sources`` and ``lib.checks`` alone.
"""

from lib.sources import GENDERS, OCCUPATIONS
from lib.text.biographies import Biographies
from lib.text.corpora import LARGE, LOADERS, PROFESSIONS, SUBSET, digest, folds, load, read, undersample
