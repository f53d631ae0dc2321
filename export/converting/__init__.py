"""Files of exports for other runtimes: TFLite and ONNX."""
