"""Read the folders that labelling tools export; one module for each form of files.

`read_labelled_folder` tells the form by the layout and the beginning of a file.
"""
