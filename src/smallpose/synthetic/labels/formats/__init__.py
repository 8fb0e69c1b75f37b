"""Write the annotations in the five published layouts."""
