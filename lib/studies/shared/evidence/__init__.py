"""The embeddings that an undersampling study judges: those of its own encoders, or a reader's, and their matrices."""

from lib.studies.shared.evidence.encoders import (
    MEASURES,
    SPLITS,
    Embedded,
    Evidence,
    confusion,
    embedded,
    losses,
    measures,
    of_arms,
    pair_variances,
    sample,
)
from lib.studies.shared.evidence.files import checked, of_file, read
from lib.studies.shared.evidence.matrices import (
    all_pairs,
    cells,
    harm_matrix,
    look_alikes,
    null_matrix,
    printed_spread,
    square,
)
