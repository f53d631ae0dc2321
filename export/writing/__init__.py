"""Writes, checks and describes exports."""
