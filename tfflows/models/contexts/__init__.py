"""Contexts of conditional flows: checks, embedding, one for each row."""
