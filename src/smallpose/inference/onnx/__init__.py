"""Export methods to ONNX and run the graphs."""
