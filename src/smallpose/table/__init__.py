"""People as columns: what people labelled (`Instances`) and what a method said (`Predictions`)."""
