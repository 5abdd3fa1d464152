"""A machine as the specification describes it, one method a request; answers are decoded with the real codec."""

import http.client
import io
import uuid
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from PIL import Image

from sheepfold.protocol import codec
from sheepfold.protocol.messages import Job, SessionAnswer, WorkAnswer
from tests.server.conftest import Server

HARDWARE = {
    "version": "3.3.1762",
    "os": "linux",
    "bits": "64bit",
    "cpu_family": "6",
    "cpu_model": "42",
    "cpu_model_name": "a processor",
    "cpu_cores": "4",
    "ram": str(16 << 20),
    "hostname": "box",
    "extras": "",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; header names as they came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of exactly this name."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(slots=True)
class Machine:
    """Logs in, works, and keeps its cookie the way old clients do: verbatim, attributes and all."""

    server: Server
    login: str = "shepherd"
    password: str = "secret"
    hardware: dict[str, str] = field(default_factory=lambda: dict(HARDWARE))
    cookie: str = ""
    user_agent: str = "specification/1"  # no client that is known: it gets statuses as the specification has them

    def request(
        self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=30)
        sent = {"User-Agent": self.user_agent, **({"Cookie": self.cookie} if self.cookie else {}), **(headers or {})}
        connection.request(method, target, body, sent)
        response = connection.getresponse()
        answer = Answer(response.status, response.getheaders(), response.read())
        connection.close()
        return answer

    def config(self) -> tuple[Answer, SessionAnswer]:
        """Ask for a session and keep its cookie."""
        params = {"login": self.login, "password": self.password, **self.hardware}
        answer = self.request("GET", f"/server/config.php?{urlencode(params)}")
        self.cookie = answer.header("Set-Cookie") or self.cookie
        return answer, codec.decode_session_answer(answer.body)

    def ask(self, query: str = "computemethod=1", body: bytes = b"<cache/>") -> WorkAnswer:
        """Ask for a tile as clients of 2015 do."""
        answer = self.request(
            "POST",
            f"/server/request_job.php?{query}",
            body,
            {"Content-Type": "application/x-www-form-urlencoded"},
        )
        return codec.decode_work_answer(answer.body)

    def job(self) -> Job:
        """Ask for a tile and get one."""
        answer = self.ask()
        assert answer.job is not None, answer
        return answer.job

    def upload(self, job: Job, image: bytes, /, **changes: str) -> int:
        """Send the frame of a job to `validate-job`; the status of the answer."""
        params = {
            "job": str(job.id),
            "frame": f"{job.frame:04d}",
            "rendertime": "7",
            "extras": job.extras,
            "memoryused": "1000",
            **changes,
        }
        return self.post_file(f"/server/send_frame.php?{urlencode(params)}", image, f"{job.id}_{job.frame:04d}.png")

    def upload_to_validation_url(self, job: Job, image: bytes) -> int:
        """Send the frame the way clients since 2020 do, without a cookie."""
        parts = urlsplit(f"{job.validation_url}&rendertime=7&memoryused=1000")
        stranger = Machine(self.server)
        return stranger.post_file(f"{parts.path}?{parts.query}", image, "frame.png")

    def post_file(self, target: str, content: bytes, name: str) -> int:
        """Send a file in the form of 2015: a boundary with stars, a part without a type."""
        boundary = "***232404jkg4220957934FW**"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file";filename="{name}"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        answer = self.request("POST", target, body, {"Content-Type": f"multipart/form-data;boundary={boundary}"})
        assert answer.status == 200, answer
        return int(codec.decode_upload_answer(answer.body).status) if b"jobvalidate" in answer.body else 0

    def beat(self, job: Job | None = None, **params: str) -> int:
        """A heartbeat; the status of the answer."""
        words = {"frame": f"{job.frame:04d}", "job": str(job.id), "extras": job.extras} if job else {}
        answer = self.request("GET", f"/server/keepmealive.php?{urlencode({**words, **params})}")
        return int(codec.decode_heartbeat_answer(answer.body).status)

    def report(self, job: Job | None, kind: str, log: bytes = b"the log") -> int:
        """An error report with its log; the HTTP status."""
        words = {"frame": f"{job.frame:04d}", "job": str(job.id), "extras": job.extras} if job else {}
        target = f"/server/error.php?{urlencode({'type': kind, **words, 'render_time': '3'})}"
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="farm_1"\r\n\r\n'
        body = head.encode() + log + f"\r\n--{boundary}--\r\n".encode()
        content_type = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self.request("POST", target, body, content_type).status


def png(size: tuple[int, int] = (64, 36), seed: int = 0, constant: bool = False) -> bytes:
    """A picture; different seeds give different pixels."""
    image = Image.new("RGB", size, (10, seed % 256, 30))
    if not constant:
        image.putpixel((3, 3), (200, 100, seed % 256))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def query_of(url: str) -> dict[str, str]:
    """The parameters of an URL."""
    return dict(parse_qsl(urlsplit(url).query))
