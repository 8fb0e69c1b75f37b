"""Export methods to ONNX, and run their networks with onnxruntime."""
