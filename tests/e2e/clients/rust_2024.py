"""The client in Rust of 2024: scenes in chunks, paths as segments, no error reports."""

from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree

from tests.e2e.clients import blender
from tests.e2e.clients.client import (
    HOST,
    Client,
    Job,
    Pairs,
    attribute,
    check_stats,
    check_upload_url,
    integer,
    only,
)
from tests.e2e.clients.wire import Answer, Unusable

ENDPOINTS = (
    "request-job",
    "download-binary",
    "download-chunk",
    "error",
    "keepmealive",
    "logout",
    "speedtest-answer",
)
BOUNDARY = "5b1f0c7e9a3d4e62-8c0a1b2d3e4f5061-a7b8c9d0e1f20314-253647586970a1b2"


def adjacent(parent: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """Elements of one kind stand together, else they count as a duplicate field."""
    places = [index for index, child in enumerate(parent) if child.tag == name]
    if places and places[-1] - places[0] != len(places) - 1:
        raise Unusable(f"duplicate field '{name}'")
    return [parent[index] for index in places]


class Rust2024(Client):
    """Declares Windows here: on Unix it sets no executable bit, so its renderer cannot start."""

    generation = "rust-2024"
    version = "7.24086.0"
    os = "windows"

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.cookie = ""

    # --- HTTP

    def send(self, method: str, target: str, headers: Pairs | None = None, body: bytes = b"") -> Answer:
        """Names of headers in lower case, as its library writes them."""
        lines = [*(headers or []), ("accept", "*/*"), ("user-agent", "Rust/1.77.0")]
        lines += [("cookie", self.cookie)] if self.cookie else []
        lines += [("accept-encoding", "gzip, deflate"), ("host", HOST)]
        lines += [("content-length", str(len(body)))] if method == "POST" else []
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
        answer = self.wire.exchange(head.encode() + b"\r\n" + body)
        for value in answer.any_case("set-cookie"):
            self.cookie = value.partition(";")[0]
        return answer

    def parse(self, answer: Answer) -> ElementTree.Element:
        """One part of the content type must be exactly text/xml."""
        parts = [part.strip() for part in answer.content_type().split(";")]
        if answer.status != 200 or "text/xml" not in parts:
            raise Unusable(f"HTTP {answer.status}, {parts}")
        return ElementTree.fromstring(answer.body)

    def path(self, kind: str) -> str:
        """Empty pieces are dropped; a question mark would become part of a name."""
        return "".join(f"/{quote(piece, safe='.')}" for piece in self.paths[kind].split("/") if piece)

    # --- session

    def login(self) -> None:
        words = [*self.hardware(), ("ui", "GuiText"), ("headless", "true")]
        words += [("os_version", "Windows 10.0"), ("hwid", "unknown")]
        body = "&".join(f"{name}={quote(value, safe='')}" for name, value in words).encode()
        form = [("content-type", "application/x-www-form-urlencoded")]
        root = self.parse(self.send("POST", "/server/config.php", form, body))
        if integer(root, "status") != 0:
            raise Unusable("login refused")
        self.paths = {attribute(element, "type"): attribute(element, "path") for element in adjacent(root, "request")}
        if missing := set(ENDPOINTS) - self.paths.keys():
            raise Unusable(f"no path for {missing}")
        self.password = root.get("publickey", self.password)
        if not self.password:
            raise Unusable("the key is empty, so the next login would fail")
        self.beat(None)

    def logout(self) -> None:
        self.send("GET", self.path("logout"))

    # --- jobs

    def ask(self) -> Job | None:
        words = "computemethod=1&cpu_cores=4&ram_max=9876543&rendertime_max=0&network_dl=0&network_up=0"
        root = self.parse(self.send("POST", f"{self.path('request-job')}?{words}"))
        status = integer(root, "status")
        adjacent(root, "file")
        if status == 200:
            return None
        if status != 0:
            raise Unusable(f"status {status} ends this client or makes it ask every second")
        check_stats(root)
        return self.read_job(only(root, "job"))

    def read_job(self, job: ElementTree.Element) -> Job:
        """Every attribute that its reader insists on."""
        renderer = only(job, "renderer")
        chunks = adjacent(only(job, "chunks"), "chunk")
        if not chunks:
            raise Unusable("a job without chunks")
        for name in ("name", "path", "archive_md5"):
            attribute(job, name)
        integer(job, "use_gpu")
        attribute(renderer, "update_method")
        return Job(
            id=attribute(job, "id"),
            frame=attribute(job, "frame"),
            path=attribute(job, "path"),
            archive_md5=attribute(job, "archive_md5"),
            renderer_md5=attribute(renderer, "md5"),
            commandline=attribute(renderer, "commandline"),
            script=(only(job, "script").text or "").strip(),
            password=attribute(job, "password"),
            synchronous=attribute(job, "synchronous_upload"),
            upload_url=check_upload_url(unquote(attribute(job, "validation_url"))),
            chunks=tuple((attribute(chunk, "id"), attribute(chunk, "md5")) for chunk in chunks),
        )

    def at_once(self, job: Job) -> bool:
        return job.synchronous == "1"

    def fetch(self, job: Job) -> None:
        wanted = [(job.renderer_md5, f"{self.path('download-binary')}?job={job.id}")]
        wanted += [(md5, f"{self.path('download-chunk')}?chunk={name}") for name, md5 in job.chunks]
        for md5, target in wanted:
            if md5 not in self.archives:
                answer = self.send("GET", target)
                if answer.status != 200:
                    raise Unusable("a failed download ends this client")
                self.archives[md5] = answer.body

    # --- heartbeats and frames

    def beat(self, job: Job | None, rendertime: int = 0, remaining: int = 0) -> int:
        return self.send("GET", f"{self.path('keepmealive')}?paused=false").status - 200

    def upload(self, job: Job, image: bytes, rendertime: int, memory_kib: int) -> int:
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{job.id}_{job.frame}.png"\r\n'
            "Content-Type: image/png\r\n\r\n"
        )
        body = head.encode() + image + f"\r\n--{BOUNDARY}--\r\n".encode()
        parts = urlsplit(f"{job.upload_url}&rendertime={rendertime}&memoryused={memory_kib}&speedsamples=12.5")
        form = [("content-type", f"multipart/form-data; boundary={BOUNDARY}")]
        root = self.parse(self.send("POST", f"{parts.path}?{parts.query}", form, body))
        self.frames += 1
        return integer(root, "status")

    # --- rendering

    def render(self, job: Job, folder: Path) -> bytes:
        renderer, scene = folder / job.renderer_md5, folder / job.id
        blender.unpack_into_listed_folders(self.archives[job.renderer_md5], renderer, "")
        together = b"".join(self.archives[md5] for _, md5 in job.chunks)
        blender.unpack_into_listed_folders(together, scene, job.password)
        before, after = folder / "before.py", folder / "after.py"
        before.write_text("")
        call = 'sheepit_set_compute_device("NONE", "CPU", "CPU")'
        handler = "import signal\nsignal.signal(signal.SIGINT, lambda *_: None)"
        after.write_text(f"{job.script}\nprint('POST_LOAD_SCRIPT_loaded')\n{call}\n{handler}\n")
        words = blender.command(job.commandline, {
            ".e": ["sh", str(renderer / "rend.exe"), "-t", "4"],
            ".c": ["-P", str(before), str(scene / job.path), "-P", str(after)],
            ".o": [f"{folder}/{job.id}_"],
            ".f": [job.frame],
        })  # fmt: skip
        return blender.run(words, folder, f"{job.id}_{job.frame}.")
