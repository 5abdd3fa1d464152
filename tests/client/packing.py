"""Archives for the tests, made in memory."""

import io
import zipfile
from collections.abc import Mapping


def zip_of(files: Mapping[str, bytes], mode: int = 0o755) -> bytes:
    """A zip whose entries carry a Unix mode. The same files give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.external_attr = (0o100000 | mode) << 16
            zipped.writestr(info, content)
    return out.getvalue()
