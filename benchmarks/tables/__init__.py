"""Densities of real tables: `FlowDensity` beside its peers."""
