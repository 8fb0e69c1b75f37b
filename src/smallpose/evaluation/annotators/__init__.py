"""Agreement of annotators who labelled the same people, and the OKS sigmas that follow from it."""
