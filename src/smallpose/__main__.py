"""`python -m smallpose` is `smallpose`."""

from smallpose.cli.main import run_program

run_program()
