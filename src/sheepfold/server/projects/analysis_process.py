"""Looks into a scene in a process of its own with bounded time and memory: its bytes are a stranger's.

The child reads a question as JSON from its input and writes an answer as JSON to its output.
"""

import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sheepfold.server.projects.analysis import analyse
from sheepfold.server.projects.archives import Contents, Entry, Kind
from sheepfold.server.projects.facts import Problem, ProblemKind, Report, SceneFacts, Severity
from sheepfold.server.projects.names import BadArchive
from sheepfold.server.projects.packing import unpack_blends

SECONDS = 600
MEMORY = 8 << 30  # bytes of address space: BAT keeps a small object for each of the millions of blocks of a large scene
OPEN_FILES = 512


def analyse_apart(upload: Path, contents: Contents, blend: str, tmp_dir: Path) -> Report:
    """Look into one scene of a checked upload. `tmp_dir` has room for its .blend files, unpacked.

    Raises BadArchive if the scene cannot be read, OSError if this machine cannot run the child.
    """
    question = json.dumps({"upload": str(upload.resolve()), "contents": _contents_json(contents), "blend": blend})
    with tempfile.TemporaryDirectory(dir=tmp_dir, prefix="look-") as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-m", __name__],
                input=question.encode(),
                capture_output=True,
                cwd=folder,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BadArchive(f"looking into `{blend}` took more than {SECONDS // 60} minutes; it is damaged") from error
    return _answer(done, blend)


def main() -> None:
    """The child: its working folder is empty and its own."""
    _bound()
    question = json.load(sys.stdin)
    try:
        answer = _look(Path(question["upload"]), _contents(question["contents"]), question["blend"])
    except BadArchive as error:
        answer = {"refusal": error.message}
    json.dump(answer, sys.stdout)


def _look(upload: Path, contents: Contents, blend: str) -> dict[str, Any]:
    folder = Path.cwd()
    unpack_blends(upload, contents, folder)
    report = analyse(folder, blend, [entry.path for entry in contents.entries])
    return {"facts": report.facts.to_json(), "problems": [asdict(problem) for problem in report.problems]}


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(done: "subprocess.CompletedProcess[bytes]", blend: str) -> Report:
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = lines[-1][:200] if lines else f"ended with {done.returncode}"
        raise BadArchive(f"`{blend}` cannot be read ({why}); save it again with Blender")
    answer = json.loads(done.stdout)
    if "refusal" in answer:
        raise BadArchive(answer["refusal"])
    return Report(SceneFacts.from_json(answer["facts"]), tuple(_problem(one) for one in answer["problems"]))


def _problem(data: dict[str, str]) -> Problem:
    return Problem(ProblemKind(data["kind"]), Severity(data["severity"]), data["text"])


def _contents_json(contents: Contents) -> dict[str, Any]:
    return {**asdict(contents), "kind": contents.kind.value}


def _contents(data: dict[str, Any]) -> Contents:
    entries = tuple(Entry(**entry) for entry in data["entries"])
    return Contents(Kind(data["kind"]), entries, tuple(data["blends"]))


if __name__ == "__main__":
    main()
