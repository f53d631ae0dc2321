"""How `fit` trains models: steps, the loss over replicas, skipped steps."""
