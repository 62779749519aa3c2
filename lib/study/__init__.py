"""The contract of a study: its parameters, the key and folder of a run, what a run notes, judges, shows and keeps.

May import ``lib.claims``, ``lib.studies`` and what lies below them; it shows charts and makes none.
"""

from lib.hashing import ROOT as ROOT
from lib.study.declared import Parameter as Parameter
from lib.study.declared import ParameterError as ParameterError
from lib.study.declared import cells as cells
from lib.study.declared import check as check
from lib.study.declared import names as names
from lib.study.declared import parameters as parameters
from lib.study.declared import preset as preset
from lib.study.declared import source as source
from lib.study.key import complete as complete
from lib.study.run import PLANNED as PLANNED
from lib.study.run import RUNS as RUNS
from lib.study.run import Run as Run
from lib.study.run import face as face
from lib.study.run import start as start
