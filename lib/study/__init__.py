"""The contract of a study: its parameters, the key and folder of a run, what a run notes, judges, shows and keeps.

May import ``lib.claims``, ``lib.studies`` and what lies below them; it shows charts and makes none.
"""

from lib.hashing import ROOT
from lib.study.declared import Parameter, ParameterError, cells, check, names, parameters, preset, source, words
from lib.study.key import complete
from lib.study.run import PLANNED, RUNS, Run, face, start
