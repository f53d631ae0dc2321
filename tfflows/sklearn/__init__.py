"""Flows as scikit-learn estimators."""

from tfflows.sklearn.flow_density import FlowDensity

__all__ = ["FlowDensity"]
