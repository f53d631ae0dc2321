"""Spaces in which densities are fitted: columns as they are, or warped by curves."""
