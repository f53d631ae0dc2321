"""Contexts of conditional flows: checked, embedded, given to each row."""
