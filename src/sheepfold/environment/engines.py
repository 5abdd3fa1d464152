"""PostgreSQL and an S3 server for a while, held by a process of their own.

That process ends both and deletes their data when its input closes, which the system does for one that was killed, too.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sheepfold.environment.postgres import temporary_postgres
from sheepfold.environment.seaweed import s3_server
from sheepfold.environment.system import CannotInstall, CannotStart


@dataclass(frozen=True)
class Engines:
    """A folder that goes with them, the URL of the database and the endpoint of the S3 server."""

    folder: str
    database: str
    endpoint: str


@contextmanager
def engines() -> Iterator[Engines]:
    """Both, while the body runs and this process lives. Raises CannotStart."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as holder:
        said = json.loads((holder.stdout and holder.stdout.readline()) or '{"failure": "the engines did not start"}')
        if "failure" in said:
            raise CannotStart(said["failure"])
        try:
            yield Engines(**said)
        finally:
            holder.communicate()  # closes its input, waits for its end


def main() -> None:
    """The holder: says on its output what it has started, then waits for the end of its input."""
    try:
        with tempfile.TemporaryDirectory(prefix="sheepfold-cluster-") as folder, temporary_postgres() as database:
            blobs = Path(folder, "s3")
            blobs.mkdir()
            with s3_server(blobs) as endpoint:
                print(json.dumps(asdict(Engines(folder, database, endpoint))), flush=True)
                sys.stdin.read()
    except (CannotInstall, CannotStart) as error:
        print(json.dumps({"failure": str(error)}), flush=True)


if __name__ == "__main__":
    main()
