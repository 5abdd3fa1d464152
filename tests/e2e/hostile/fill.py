"""Puts what the recorded conversations speak of into the farm of the environment. Argument: how many frames.

Prints a render key of the user `ada l`.
"""

import sys
from pathlib import Path

import django

sys.path.insert(0, str(Path(__file__).parents[3]))
django.setup()

from sheepfold.server.accounts.actions import create_render_key, create_user  # noqa: E402
from sheepfold.server.core.actions import record_blob  # noqa: E402
from sheepfold.server.core.storage import store  # noqa: E402
from sheepfold.server.renderers.models import Renderer, RendererArchive  # noqa: E402
from tests.server.farm import make_project  # noqa: E402
from tests.server.node_api import conversation  # noqa: E402

user = create_user(username="ada l", password=None)
renderer = Renderer.objects.create(version="3.4.1")
blob = record_blob(ref=store().keep_bytes(conversation.RENDERER, "application/zip"))
for os in ("linux", "windows"):
    RendererArchive.objects.create(renderer=renderer, os=os, bits=64, blob=blob, source="test")
scene = record_blob(ref=store().keep_bytes(conversation.SCENE, "application/zip"))
make_project(id=4242, owner=user, tiles=int(sys.argv[1]), renderer=renderer, archive=scene)
print(create_render_key(user=user, name="box")[1])
