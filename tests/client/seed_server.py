"""A plain SheepIt farm written from the specification alone, over a real socket.

It answers as told: `jobs` are handed out in order, `answers` overrides the next status of a kind of request,
`calls` is what was asked. Session parameters are read from the query only, as the specification has it.
"""

import hashlib
import ssl
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

CONFIG = """<?xml version="1.0" encoding="utf-8"?>
<config status="0" {more}>
  <request type="validate-job" path="/server/send_frame.php"/>
  <request type="request-job" path="/server/request_job.php"/>
  <request type="download-archive" path="/server/archive.php"/>
  <request type="error" path="/server/error.php"/>
  <request type="keepmealive" path="/server/keepmealive.php" max-period="{max_period}"/>
  <request type="logout" path="/account.php?mode=logout&amp;worker=1"/>
</config>"""

KINDS = {
    "/server/config.php": "config",
    "/server/send_frame.php": "upload",
    "/server/request_job.php": "work",
    "/server/archive.php": "archive",
    "/server/error.php": "error",
    "/server/keepmealive.php": "heartbeat",
    "/account.php": "logout",
}
ROOTS = {"upload": "jobvalidate", "heartbeat": "keepmealive", "error": "error"}


@dataclass(frozen=True)
class SeedJob:
    """One frame to hand out."""

    id: int
    frame: int
    path: str
    scene: bytes
    renderer: bytes
    commandline: str = ".e --factory-startup --disable-autoexec -b .c -o .o -f .f -x 1"
    script: str = "import bpy"
    extras: str = "token"
    attributes: str = ""


@dataclass(frozen=True)
class Call:
    """One request as it came in."""

    kind: str
    method: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def file(self) -> bytes:
        """The part called `file` of a multipart body."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        for part in BytesParser().parsebytes(head + self.body).walk():
            if part.get_param("name", header="content-disposition") == "file":
                content = part.get_payload(decode=True)
                assert isinstance(content, bytes)
                return content
        raise AssertionError("no part called 'file'")


class SeedServer:
    """The farm; a context manager that listens on a free port."""

    def __init__(
        self,
        jobs: list[SeedJob] | None = None,
        max_period: int = 900,
        extras: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`extras`: what a farm answers that is more than plain."""
        self.extras = extras
        self.jobs = deque(jobs or [])
        self.max_period = max_period
        self.answers: defaultdict[str, deque[object]] = defaultdict(deque)
        self.calls: list[Call] = []
        self.changed = threading.Condition()
        self._served: dict[int, SeedJob] = {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> "SeedServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    def of(self, kind: str) -> list[Call]:
        """What was asked of one kind so far."""
        with self.changed:
            return [call for call in self.calls if call.kind == kind]

    def wait_for(self, kind: str, count: int = 1, seconds: float = 60.0) -> list[Call]:
        """Return when so many requests of a kind have come in."""
        with self.changed:
            arrived = self.changed.wait_for(
                lambda: sum(call.kind == kind for call in self.calls) >= count, timeout=seconds
            )
        assert arrived, f"{count} {kind!r} requests did not come; came: {[call.kind for call in self.calls]}"
        return self.of(kind)

    def answer(self, call: Call) -> tuple[int, str, bytes]:
        """HTTP status, content type (of a redirect: where to) and body."""
        if self.answers[call.kind]:
            told = self.answers[call.kind].popleft()
            if isinstance(told, tuple):
                return told
            if callable(told):
                return told(call)
            if told != 0:
                return self._status(call.kind, told)
        return getattr(self, f"_{call.kind}")(call)

    def _status(self, kind: str, status: object) -> tuple[int, str, bytes]:
        root = ROOTS.get(kind, {"config": "config", "work": "jobrequest"}.get(kind))
        return 200, "text/xml", f'<{root} status="{status}"/>'.encode()

    def _config(self, call: Call) -> tuple[int, str, bytes]:
        if "version" not in call.query:
            return self._status("config", 100)
        if call.query.get("password") != "secret":
            return self._status("config", 102)
        return (
            200,
            "text/xml",
            CONFIG.format(max_period=self.max_period, more=f'extras="{self.extras}"' if self.extras else "").encode(),
        )

    def _work(self, call: Call) -> tuple[int, str, bytes]:
        if not self.jobs:
            return self._status("work", 200)
        job = self.jobs.popleft()
        self._served[job.id] = job
        return 200, "text/xml", work_xml(job).encode()

    def _archive(self, call: Call) -> tuple[int, str, bytes]:
        job = self._served[int(call.query["job"])]
        content = job.renderer if call.query["type"] == "binary" else job.scene
        start = call.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-")
        status = 206 if "range" in call.headers else 200
        return status, "application/zip", content[int(start) :]

    def _upload(self, call: Call) -> tuple[int, str, bytes]:
        return self._status("upload", 0)

    def _heartbeat(self, call: Call) -> tuple[int, str, bytes]:
        return self._status("heartbeat", 0)

    def _error(self, call: Call) -> tuple[int, str, bytes]:
        return self._status("error", 0)

    def _logout(self, call: Call) -> tuple[int, str, bytes]:
        return 200, "text/plain", b""

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - two selves meet here
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                self._serve(b"")

            def do_POST(self) -> None:
                self._serve(self.rfile.read(int(self.headers["Content-Length"])))

            def _serve(self, body: bytes) -> None:
                url = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                query = dict(parse_qsl(url.query, keep_blank_values=True))
                call = Call(KINDS[url.path.replace("//", "/")], self.command, query, headers, body)
                status, content_type, answer = server.answer(call)
                self.send_response(status)
                self.send_header("Location" if status == 307 else "Content-Type", content_type)
                self.send_header("Content-Length", str(len(answer)))
                if call.kind == "config":
                    self.send_header("Set-Cookie", "PHPSESSID=s1; path=/; HttpOnly")
                self.end_headers()
                self.wfile.write(answer)
                with server.changed:
                    server.calls.append(call)
                    server.changed.notify_all()

            def log_message(self, *_words: object) -> None:
                """Quiet."""

        return Handler


def work_xml(job: SeedJob) -> str:
    """The answer of the specification with the attributes that clients of 2015 needed."""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<jobrequest status="0">
  <frames remaining="7"/>
  <job id="{job.id}" use_gpu="0" archive_md5="{md5(job.scene)}" revision="3" path="{job.path}" frame="{job.frame:04d}"
       synchronous_upload="1" extras="{job.extras}" {job.attributes}>
    <renderer md5="{md5(job.renderer)}" commandline="{job.commandline}"/>
    <script>{job.script}</script>
  </job>
</jobrequest>"""


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
