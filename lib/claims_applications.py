"""The claims of the L_spread paper on its applications (Chen et al. 2022), and our own; differences are paired by seed.

"F1" is the macro F1 of recovered groups over true groups after the best matching; "worst group" the lowest accuracy of
a test group under GroupDRO that is given the groups named.
"""

from lib.claim import Claim

STUDY = "strata_applications"
PAPER = "chen2022"
CLAIMS = [
    Claim(
        "lspread-14a",
        STUDY,
        PAPER,
        "table of strata recovery",
        "Strata are recovered better from L_spread features than from SupCon features.",
        "F1, L_spread minus SupCon",
        "above",
        0.05,
    ),
    Claim(
        "lspread-14b",
        STUDY,
        "",
        "shuffled groups",
        "Groups recovered from L_spread features are better than chance.",
        "F1 minus mean F1 of the same groups shuffled within classes",
        "above",
        0.0,
        strict=True,
    ),
    Claim(
        "lspread-14c",
        STUDY,
        "",
        "one group a class",
        "They are better than no recovery at all, one group a class.",
        "F1 minus F1 of the classes themselves",
        "above",
        0.0,
        strict=True,
    ),
    Claim(
        "lspread-14d",
        STUDY,
        PAPER,
        "table of worst groups",
        "GroupDRO does better with the groups of L_spread than with those of SupCon.",
        "worst group, L_spread minus SupCon",
        "above",
        0.0,
        strict=True,
    ),
    Claim(
        "lspread-14e",
        STUDY,
        PAPER,
        "table of worst groups",
        "The groups of L_spread do better in the worst group than those of either other loss, on every data set.",
        "worst group, L_spread minus the best of cross-entropy and SupCon, least over data sets",
        "above",
        0.0,
        strict=True,
    ),
    Claim(
        "lspread-14f",
        STUDY,
        "",
        "against plain training",
        "GroupDRO with groups recovered from L_spread features helps the worst group.",
        "worst group, recovered groups minus plain cross-entropy",
        "above",
        0.0,
        strict=True,
    ),
    Claim(
        "lspread-14g",
        STUDY,
        "",
        "against the true groups",
        "True groups help it more.",
        "worst group, true groups minus recovered groups",
        "above",
        0.0,
        strict=True,
    ),
]
