"""What makes the book: the graph and its jobs, runs, sweeps, the tuning of methods, pages and the site."""
