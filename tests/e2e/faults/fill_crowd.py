"""Fills the farm of the environment for a crowd of simulated machines. A process of its own runs it.

Argument: how many tiles. Prints JSON: the login and the key of the machines, the size of the pictures.
"""

import json
import sys

import django

django.setup()

from sheepfold.commands.simulated_farm import fill  # noqa: E402

filled = fill(int(sys.argv[1]), poisoned=0)
print(
    json.dumps(
        {
            "login": filled.account.login,
            "key": filled.account.key,
            "width": filled.task.width,
            "height": filled.task.height,
        }
    )
)
