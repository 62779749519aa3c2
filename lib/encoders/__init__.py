"""Encoders: what names one, the networks, the training of each kind, the captions of one, and where their files lie.

The settings import no torch: the graph is planned with them.  May import ``lib.losses``, ``lib.images``, ``lib.text``;
``robust``, ``labels`` and ``label_stacks`` also ``lib.strata``, whose groups and corrected labels they train with;
``factors`` also ``lib.disentangle``, whose pairs it trains on.
"""
