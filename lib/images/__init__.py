"""Image data sets as uint8 tensors, what is undersampled, coarse labels, and augmentation in batches.

May import ``lib.sources`` alone.
"""

from lib.images.sets import COARSE as COARSE
from lib.images.sets import DIGITS_TEST as DIGITS_TEST
from lib.images.sets import LOADERS as LOADERS
from lib.images.sets import Images as Images
from lib.images.sets import class_code as class_code
from lib.images.sets import digest as digest
from lib.images.sets import equal_shares as equal_shares
from lib.images.sets import load as load
from lib.sources import DataError as DataError
from lib.sources import data_root as data_root
from lib.sources import undersample as undersample
