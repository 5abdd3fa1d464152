"""The client in Go of 2017: GET for everything, sorted parameters, one frame that it keeps for itself."""

from pathlib import Path
from urllib.parse import quote_plus

from tests.e2e.clients import blender
from tests.e2e.clients.client import HOST, Client, Job, Pairs, attribute, integer, only, parse
from tests.e2e.clients.wire import Answer, Unusable


class Go2017(Client):
    """Puts a slash between server and path, so that it asks for `//server/…`."""

    generation = "go-2017"
    version = "5.290.2718"
    uploads = False

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.cookie = ""

    def target(self, path: str, pairs: Pairs) -> str:
        """Parameters in alphabetical order."""
        return f"{path}?" + "&".join(f"{name}={quote_plus(value)}" for name, value in sorted(pairs))

    def request(self, target: str) -> bytes:
        """What its library writes."""
        cookie = f"Cookie: {self.cookie}\r\n" if self.cookie else ""
        head = f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: Go-http-client/1.1\r\n{cookie}"
        return f"{head}Accept-Encoding: gzip\r\n\r\n".encode()

    def get(self, path: str, pairs: Pairs) -> Answer:
        """One request; redirects would be followed, but lose nothing here."""
        answer = self.wire.exchange(self.request(self.target(path, pairs)))
        for value in answer.any_case("Set-Cookie"):
            self.cookie = value.partition(";")[0]
        return answer

    def login(self) -> None:
        root = parse(self.get("/server/config.php", self.hardware()))
        if integer(root, "status") != 0:
            raise Unusable("login refused")
        for element in root.findall("request"):
            self.paths[attribute(element, "type")] = attribute(element, "path")
            if element.get("type") == "keepmealive":
                self.max_period = integer(element, "max-period")
        if not self.max_period:
            raise Unusable("without max-period it beats in a tight loop")

    def ask(self) -> Job | None:
        root = parse(self.get(f"/{self.paths['request-job']}", [("computemethod", "1"), ("cpu_cores", "4")]))
        if integer(root, "status") != 0:
            raise Unusable("any status but 0 ends this client")
        job = only(root, "job")
        renderer = only(job, "renderer")
        integer(job, "frame")
        return Job(
            id=attribute(job, "id"),
            frame=attribute(job, "frame"),
            path=attribute(job, "path"),
            archive_md5=attribute(job, "archive_md5"),
            renderer_md5=attribute(renderer, "md5"),
            commandline=attribute(renderer, "commandline"),
            script=job.findtext("script") or "",
        )

    def fetch(self, job: Job) -> None:
        for kind, md5 in (("binary", job.renderer_md5), ("job", job.archive_md5)):
            target = self.target(f"/{self.paths['download-archive']}", [("type", kind), ("job", job.id)])
            self.archives[md5] = self.download(self.request(target), md5)

    def beat(self, job: Job | None, rendertime: int = 0, remaining: int = 0) -> int:
        """Its numbers come out as a message about their type."""
        pairs: Pairs = [("job", "0"), ("frame", "0")]
        if job is not None:
            pairs = [("job", job.id), ("frame", str(int(job.frame)))]
            pairs += [("rendertime", f"%!d(float64={rendertime})"), ("remainingtime", "%!d(float64=0)")]
        return integer(parse(self.get(f"/{self.paths['keepmealive']}", pairs)), "status")

    def upload(self, job: Job, image: bytes, rendertime: int, memory_kib: int) -> int:
        raise Unusable("this client never sends a frame")

    def logout(self) -> None:
        """It just ends."""

    def render(self, job: Job, folder: Path) -> bytes:
        renderer, scene = folder / job.renderer_md5, folder / job.archive_md5
        blender.unpack_into_listed_folders(self.archives[job.renderer_md5], renderer, "", modes=True)
        blender.unpack_into_listed_folders(self.archives[job.archive_md5], scene, "", modes=True)
        script = folder / "script.py"
        script.write_text(f"import bpy\n{job.script}\n")
        words = blender.command(job.commandline, {
            ".e": [str(renderer / "rend.exe"), "-t", "4"],
            ".c": [str(scene / job.path), "-P", str(script)],
            ".o": [f"{folder}/{job.id}_"],
            ".f": [str(int(job.frame))],
        })  # fmt: skip
        return blender.run(words, folder, f"{job.id}_")
