"""Charts: one theme and the kinds of chart that several studies share in ``charts``, and a module for each study.

May import what lies below ``lib.study``, and pandas and altair.
"""
