"""Exports: what a SavedModel gets, how it is written, checked and described."""
