"""What each study measures, a module a study; ``plans`` says which encoders it needs.

May import the training helpers and theory.
"""
