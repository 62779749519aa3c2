"""A module for each study: ``plan``, which encoders it needs, and what it measures.

May import the training helpers and theory.
"""
