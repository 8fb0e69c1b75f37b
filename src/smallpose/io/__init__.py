"""Read and write COCO annotations, COCO results and the result files of other tools."""
