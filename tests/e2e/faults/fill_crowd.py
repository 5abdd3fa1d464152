"""Fills the farm of the environment for a crowd of simulated machines. A process of its own runs it.

Argument: how many tiles. Prints JSON: login and key of the machines, the size of the pictures, the token of an owner.
"""

import json
import sys

import django

django.setup()

from sheepfold.commands.simulated_farm import fill  # noqa: E402
from sheepfold.server.accounts.actions import create_api_token  # noqa: E402
from sheepfold.server.accounts.models import User  # noqa: E402

filled = fill(int(sys.argv[1]), poisoned=0)
facts = {
    "login": filled.accounts[0].login,
    "key": filled.accounts[0].key,
    "width": filled.task.width,
    "height": filled.task.height,
    "token": create_api_token(user=User.objects.get(username="owner0"), name="uploads")[1],
}
print(json.dumps(facts))
