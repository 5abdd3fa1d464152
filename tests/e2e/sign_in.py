"""Prints the cookie of somebody who is signed in at the farm of the environment. The argument is their name."""

import sys

import django

django.setup()

from django.test import Client  # noqa: E402

from sheepfold.server.accounts.models import User  # noqa: E402

client = Client()
client.force_login(User.objects.get(username=sys.argv[1]))
print(client.cookies["sheepfold_site"].value)
