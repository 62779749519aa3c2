"""Assignments: what an exercise is worth, how an answer is checked, and how a class is graded without trusting it."""
