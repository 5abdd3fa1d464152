"""Takes away what the farm of the environment would take away by itself the day after tomorrow."""

from datetime import timedelta

import django

django.setup()

from sheepfold.server.core.clock import now  # noqa: E402
from sheepfold.server.core.garbage import forget_temporary_files, forget_unused_blobs  # noqa: E402

forget_unused_blobs(now=now() + timedelta(days=2))
forget_temporary_files(now=now() + timedelta(days=2))
