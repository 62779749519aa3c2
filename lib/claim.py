"""What a claim is: a statement, and the threshold that it was given before any run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """A statement that a number can fail.

    id: short name, unique; study: the notebook that judges it; paper: key in references.bib, "" for the book's own;
    rests_on: the figure or section; statement: in our words; quantity: what is measured; side, threshold: the claim
    holds where the quantity is "below" or "above" the threshold, which was fixed before any run; a number on the
    threshold itself passes unless the claim is strict.
    """

    id: str
    study: str
    paper: str
    rests_on: str
    statement: str
    quantity: str
    side: str
    threshold: float
    strict: bool = False
