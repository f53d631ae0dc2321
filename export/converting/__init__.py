"""Converts exports for other runtimes: TFLite and ONNX."""
