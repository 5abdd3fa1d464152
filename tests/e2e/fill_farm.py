"""Puts a user, a renderer and a started project into the farm of the environment. A process of its own runs it.

Arguments: the renderer's executable, the scene, how many frames. Prints the user's render key.
"""

import io
import sys
import zipfile
from pathlib import Path

import django

django.setup()

from django.db import transaction  # noqa: E402

from sheepfold.server.accounts.actions import create_render_key, create_user  # noqa: E402
from sheepfold.server.core.actions import record_blob  # noqa: E402
from sheepfold.server.core.clock import now  # noqa: E402
from sheepfold.server.core.models import Blob  # noqa: E402
from sheepfold.server.core.storage import store  # noqa: E402
from sheepfold.server.pipeline.steps import start_project  # noqa: E402
from sheepfold.server.projects.models import FIRST_PROJECT_ID, Project, ProjectStatus  # noqa: E402
from sheepfold.server.renderers.models import Renderer, RendererArchive  # noqa: E402


def keep_zip(name: str, content: bytes) -> Blob:
    """An archive with one executable file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
        entry.external_attr = 0o100755 << 16
        archive.writestr(entry, content)
    return record_blob(ref=store().keep_bytes(out.getvalue(), "application/zip"))


@transaction.atomic
def fill(executable: bytes, scene: bytes, frames: int) -> str:
    """Returns the secret of the key."""
    user = create_user(username="ada", password=None)
    renderer = Renderer.objects.create(version="4.2.0")
    RendererArchive.objects.create(
        renderer=renderer, os="linux", bits=64, blob=keep_zip("rend.exe", executable), source="test"
    )
    project = Project.objects.create(
        id=FIRST_PROJECT_ID,
        owner=user,
        name="sixty",
        status=ProjectStatus.READY,
        renderer=renderer,
        archive=keep_zip("scene.blend", scene),
        blend_path="scene.blend",
        frames=f"1-{frames}",
        width=64,
        height=36,
    )
    start_project(project_id=project.pk, now=now())
    return create_render_key(user=user, name="box")[1]


print(fill(Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]).read_bytes(), int(sys.argv[3])))
