"""Objects of TensorFlow Probability: their configs, copies and variables."""
