"""Data cards: what the data of a task are, and how much of its test sets training holds."""
