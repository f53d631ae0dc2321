"""What stands between the library and TensorFlow: anyone may import it."""
