"""Read networks that TensorFlow.js runs, and convert them to ONNX.

Published models lie in npm packages as a graph (`model.json`) and its numbers (`.bin`). Only the
operators of the models here are known; another one is refused by its name. `convert.py` needs the
`onnx` package, and is loaded with the first network that runs.
"""

from smallpose.external.tfjs.graph import Graph, Node, read_graph
from smallpose.external.tfjs.network import TfjsNetwork

__all__ = ["Graph", "Node", "TfjsNetwork", "read_graph"]
