"""What makes the book: the graph and its jobs, runs, sweeps, the tuning of methods, pages and the site."""

import gc

gc.set_threshold(100_000)  # a command imports much and keeps the trees of the code: collections would walk it all again
