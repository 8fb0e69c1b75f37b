"""What `smallpose predict` writes and prints beside its results."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smallpose.core.skeleton import Skeleton
    from smallpose.inference.options import InferenceOptions
    from smallpose.methods import PoseMethod


def write_method_environment(out: Path, method: "PoseMethod", options: "InferenceOptions") -> None:
    """Record the packages, precision and processor beside the results, which have no room."""
    from smallpose.inference.environment import describe_method_environment
    from smallpose.io.result_environment import write_environment

    write_environment(out, describe_method_environment(method, options))


def print_joint_order(skeleton: "Skeleton") -> None:
    """Name the joints of results that are not in the order of a file."""
    from smallpose.system.progress import print_status

    print_status(f"joints of the results, in their order: {', '.join(skeleton.joints)}")


def get_image_list_path(out: Path) -> Path:
    """Return the path of the list of images beside results."""
    return out.with_name(f"{out.stem}.images.json")
