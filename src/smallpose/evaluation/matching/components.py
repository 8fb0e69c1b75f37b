"""Find people and detections that compete with each other, directly or through others."""

import numpy as np

from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.arrays import Ints


@native.prefer_compiled(native.find_components)
def find_components(first: Ints, second: Ints, num_nodes: int) -> Ints:
    """Return the (v,) component of each node: the lowest node that it is connected with.

    Args:
        first, second: (p,) nodes that are connected, 0 to `num_nodes` - 1.
    """
    component = np.arange(num_nodes)
    while True:
        lowest = np.minimum(component[first], component[second])
        before = component.copy()
        np.minimum.at(component, first, lowest)
        np.minimum.at(component, second, lowest)
        if np.array_equal(before, component):
            return component
