"""Whether a failure is the disk's: then nobody is to blame, and the frame is rendered elsewhere or later."""

import errno
import shutil
from dataclasses import replace
from pathlib import Path

from sheepfold.client.task import RenderFailed, RenderOutcome
from sheepfold.protocol.codes import ErrorKind

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # the last is said by small file systems and limits
_NO_ROOM = 1 << 20  # bytes; less than a picture and its log need


def is_full(error: OSError) -> bool:
    """Whether the system refused to write because there is no room."""
    return error.errno in _FULL


def blame_disk(outcome: RenderOutcome, folder: Path) -> RenderOutcome:
    """A renderer without room to write breaks in many ways, and each looks like the scene's fault."""
    if not isinstance(outcome, RenderFailed) or shutil.disk_usage(folder).free >= _NO_ROOM:
        return outcome
    return replace(outcome, kind=ErrorKind.NO_DISK_SPACE, message=f"the disk is full: {outcome.message}")
