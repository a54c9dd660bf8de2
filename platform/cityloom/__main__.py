"""`python -m cityloom`."""

from cityloom.cli import main

main()
