"""Image data sets as uint8 tensors, what is undersampled, coarse labels, and augmentation in batches.

May import ``lib.sources`` and ``lib.checks`` alone.
"""

from lib.images.sets import COARSE, DIGITS_TEST, LOADERS, Images, class_code, digest, equal_shares, load
from lib.sources import DataError, data_root, undersample
