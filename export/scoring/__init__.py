"""Scores tables with an exported model in a Beam pipeline."""
