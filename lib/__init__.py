"""The library behind the book: training helpers, theory, studies, the contract of a study, and what makes the book."""
