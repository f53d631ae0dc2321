"""Helpers around TensorFlow, which any module may import."""
