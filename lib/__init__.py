"""The small library behind the book: data, encoders, losses, harms, claims and the contract of a study."""
