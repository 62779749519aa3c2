"""Biographies with an occupation and a gender: read, generated, scrubbed, swapped.

May import ``lib.sources`` alone.
"""

from lib.sources import GENDERS as GENDERS
from lib.sources import OCCUPATIONS as OCCUPATIONS
from lib.text.biographies import Biographies as Biographies
from lib.text.corpora import LARGE as LARGE
from lib.text.corpora import LOADERS as LOADERS
from lib.text.corpora import PROFESSIONS as PROFESSIONS
from lib.text.corpora import SUBSET as SUBSET
from lib.text.corpora import digest as digest
from lib.text.corpora import folds as folds
from lib.text.corpora import load as load
from lib.text.corpora import read as read
from lib.text.corpora import undersample as undersample
