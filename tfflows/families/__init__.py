"""The families of models: one builder a file, each of which returns a model."""
