"""Renderers that start the Blender of this machine: as the system installed it, or as a Python module.

A system's Blender is spread over the system and linked to its libraries, so it cannot be carried elsewhere. A launcher
takes its place in the archive; on a machine without that very version it says so and ends with 127.
"""

import json
import platform
import shlex
import subprocess
from importlib.resources import files
from io import BytesIO
from pathlib import Path

from sheepfold.protocol.codes import Os
from sheepfold.server.core.zip_writer import PackedFile
from sheepfold.server.renderers.builds import BadRenderer
from sheepfold.server.renderers.platforms import Platform
from sheepfold.server.renderers.releases import ANSWER_SECONDS, said_version

EMULATOR = "bpy_blender.py"
SYSTEMS = {"Linux": Os.LINUX, "Darwin": Os.MAC, "FreeBSD": Os.FREEBSD}
ASK = "import bpy, json; print(json.dumps(['sheepfold', '.'.join(map(str, bpy.app.version))]), flush=True)"

OF_INSTALLED = """\
#!/bin/sh
# Starts the Blender of this machine if it is version {version}.
same={same}
for blender in {blender} "$(command -v blender)"; do
    [ -x "$blender" ] || continue
    # asking Blender takes a second: an untouched file need not be asked
    if [ "$(stat -L -c '%s %Y' -- "$blender" 2>/dev/null)" = "$same" ]; then exec "$blender" "$@"; fi
    case "$("$blender" --version 2>/dev/null)" in
        "Blender {version}"|"Blender {version}
"*|"Blender {version} "*) exec "$blender" "$@" ;;
    esac
done
echo "Blender {version} is not installed on this machine, and this renderer only starts it: install it," >&2
echo "or ask the farm's operator to add the official build of Blender {version}" >&2
exit 127
"""

OF_MODULE = """\
#!/bin/sh
# Starts Blender {version} as a Python module of this machine.
python={python}
if [ ! -x "$python" ]; then
    echo "Blender {version} as a Python module is gone from this machine ($python):" >&2
    echo "ask the farm's operator to add the official build of Blender {version}" >&2
    exit 127
fi
exec "$python" -E "$(dirname -- "$0")/{emulator}" "$@"
"""


def this_platform() -> Platform:
    """The platform of this machine. Raises BadRenderer where launchers cannot work."""
    system = SYSTEMS.get(platform.system())
    if system is None or system is Os.MAC:
        raise BadRenderer("an installed Blender can be added on Linux and FreeBSD only; add the official build")
    return Platform(system.value, 64 if platform.architecture()[0] == "64bit" else 32)


def installed_version(blender: Path) -> str:
    """Raises BadRenderer if the program is no Blender, or does not start."""
    version = said_version([blender])
    if not version:
        raise BadRenderer(f"{blender} does not start or is no Blender; try `{blender} --version`")
    return version


def installed_files(blender: Path, version: str) -> list[PackedFile]:
    """The launcher of an installed Blender."""
    state = blender.stat()
    same = shlex.quote(f"{state.st_size} {int(state.st_mtime)}")
    text = OF_INSTALLED.format(version=version, blender=shlex.quote(str(blender)), same=same)
    return [_text("rend.exe", text, executable=True)]


def module_version(python: Path) -> str:
    """The version of bpy in an interpreter. Raises BadRenderer if it has none."""
    words: list[str | Path] = [python, "-E", "-c", ASK]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=ANSWER_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadRenderer(f"{python} does not run ({error})") from error
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if line.startswith('["sheepfold", '):
            return str(json.loads(line)[1])
    why = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    raise BadRenderer(f"{python} has no module bpy ({''.join(why)}); install it with `{python} -m pip install bpy`")


def module_files(python: Path, version: str) -> list[PackedFile]:
    """The launcher of bpy and what makes a command line of it."""
    text = OF_MODULE.format(version=version, python=shlex.quote(str(python)), emulator=EMULATOR)
    emulator = files(__package__).joinpath(EMULATOR).read_text("utf-8")
    return [_text("rend.exe", text, executable=True), _text(EMULATOR, emulator)]


def _text(path: str, text: str, *, executable: bool = False) -> PackedFile:
    data = text.encode()
    return PackedFile(path, len(data), lambda: BytesIO(data), executable)
