"""The paper's sentences as data, each recomputed on the paper's own tables and on our runs."""
