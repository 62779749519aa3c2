"""The contract of a study: its parameters, the key and folder of a run, what a run notes, judges, shows and keeps.

May import ``lib.claims``, ``lib.studies`` and what lies below them; it shows charts and makes none.
"""

from lib.hashing import ROOT as ROOT
from lib.study.key import complete as complete
from lib.study.parameters import Parameter as Parameter
from lib.study.parameters import ParameterError as ParameterError
from lib.study.parameters import cells as cells
from lib.study.parameters import check as check
from lib.study.parameters import names as names
from lib.study.parameters import parameters as parameters
from lib.study.parameters import preset as preset
from lib.study.parameters import source as source
from lib.study.run import PLANNED as PLANNED
from lib.study.run import RUNS as RUNS
from lib.study.run import Run as Run
from lib.study.run import face as face
from lib.study.run import start as start
