"""`python -m sheepfold`."""

from sheepfold.cli import main

main()
