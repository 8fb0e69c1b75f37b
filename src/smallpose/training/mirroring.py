"""Leave mirroring out of the augmentation where the left and right joints are not known."""

from dataclasses import replace

from smallpose.io.joint_pairs import describe_mirroring
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.system.progress import print_status


def leave_out_mirroring(method: PoseMethod, recipe: Recipe, silent: bool = False) -> Recipe:
    """Return the recipe without mirroring where it would mix left and right, and print why.

    Where it is possible, the joints that stay in place although they may have a side are printed.

    Args:
        silent: print nothing, as all processes but the first.
    """
    problem = method.skeleton.flip_problem
    is_mirrored = recipe.augment.flip > 0
    remark = ""
    if is_mirrored and problem:
        recipe = replace(recipe, augment=replace(recipe.augment, flip=0.0))
        remark = (
            f"images are mirrored neither in training nor in tests: {problem}; declare the pairs "
            "with --swap left:right,… (--swap none if no joint has another side)"
        )
    elif is_mirrored:
        remark = describe_mirroring(method.skeleton)
    if remark:
        method.mark_flip_reported()
        if not silent:
            print_status(remark)
    return recipe
