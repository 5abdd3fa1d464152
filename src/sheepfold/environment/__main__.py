"""`python -m sheepfold.environment ROOT`: what the `./sheepfold` script calls before anything else."""

import sys
from pathlib import Path

from sheepfold.environment.system import CannotInstall
from sheepfold.environment.venv import make

try:
    make(Path(sys.argv[1]))
except CannotInstall as error:
    sys.exit(f"sheepfold: {error}")
except KeyboardInterrupt:
    sys.exit("sheepfold: interrupted; the next start begins again")
