"""How `fit` trains models: the step, its loss over replicas, what is left out."""
