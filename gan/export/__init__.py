"""A model for the browser: its networks as ONNX, and a file of facts beside them."""
