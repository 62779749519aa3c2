"""A module for each study, ``plan``: which encoders a run needs, whose settings name them.

No torch here, no scipy, no scikit-learn: every ``make`` plans the graph with these in a fraction of a second.  What
takes them is imported where a parameter asks for it.
"""
