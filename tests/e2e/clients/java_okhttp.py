"""Java clients from summer 2020 on, which speak HTTP through OkHttp."""

from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from tests.e2e.clients.client import HOST, Job, Pairs, attribute
from tests.e2e.clients.java_url import FORM, Java2020April, query
from tests.e2e.clients.wire import Answer, Unusable

XML = "application/xml; charset=utf-8"


def percent_encoded(pairs: Pairs) -> str:
    """As OkHttp encodes it: `%20` for a blank."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)


class Java2020July(Java2020April):
    """Says whether it is headless; lists its archives as XML that calls itself so."""

    generation = "java-2020-07"
    version = "6.20304.0"
    boundary = "0b5e2a6c-8a54-4f0e-9d3e-0c5f2b8a7d61"
    log_name = "farm_1593770000.txt"

    def request(self, method: str, target: str, headers: Pairs | None = None, body: bytes | None = None) -> bytes:
        """The agent, the body's headers, the connection's, then the cookie."""
        own = dict(headers or [])
        lines = [("User-Agent", "Java/11.0.7")]
        if body is not None:
            lines += [("Content-Type", own.get("Content-Type", FORM)), ("Content-Length", str(len(body)))]
        lines += [("Host", HOST), ("Connection", "Keep-Alive"), ("Accept-Encoding", "gzip")]
        lines += [("Cookie", self.cookie)] if self.cookie else []
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
        return head.encode() + b"\r\n" + (body or b"")

    def login_parameters(self) -> Pairs:
        return [*super().login_parameters(), ("headless", "1")]

    def login(self) -> None:
        body = percent_encoded(self.login_parameters()).encode()
        self.read_config(self.send("POST", "/server/config.php", body=body))

    def cache(self) -> bytes:
        if not self.archives:
            return b"<cache/>"
        files = "".join(f'   <file md5="{md5}"/>\n' for md5 in self.archives)
        return f"<cache>\n{files}</cache>".encode()

    def ask(self) -> Job | None:
        target = f"{self.paths['request-job']}?{query(self.job_parameters())}"
        answer = self.send("POST", target, [("Content-Type", XML)], self.cache())
        return self.read_job(self.parse_job(answer))

    def parse_job(self, answer: Answer) -> ElementTree.Element:
        """The XML of a job answer."""
        if answer.status != 200 or not answer.content_type().startswith("text/xml"):
            raise Unusable(f"HTTP {answer.status}")
        return ElementTree.fromstring(answer.body)

    def post_file(self, target: str, name: str, content: bytes) -> Answer:
        """The part has a type and a length."""
        kind = "text/plain" if name.endswith(".txt") else "image/png"
        head = (
            f'--{self.boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            f"Content-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        body = head.encode() + content + f"\r\n--{self.boundary}--\r\n".encode()
        headers = [("Content-Type", f"multipart/form-data; boundary={self.boundary}")]
        return self.wire.exchange(self.request("POST", target, headers, body))

    def job_parameters(self) -> Pairs:
        return [
            ("computemethod", "1"), ("cpu_cores", "4"), ("ram_max", "9876543"), ("rendertime_max", "-1"),
        ]  # fmt: skip


class Java2021(Java2020July):
    """Names its system and measures the network."""

    generation = "java-2021"
    version = "6.21257.0"

    def login_parameters(self) -> Pairs:
        return [*super().login_parameters(), ("os_version", "linux 5.10.0")]

    def job_parameters(self) -> Pairs:
        return [*super().job_parameters(), ("network_dl", "0"), ("network_up", "0")]


class Java2022(Java2021):
    """Names its hardware, sends no `extras` any more, and a log at every start."""

    generation = "java-2022"
    version = "7.22302.0"
    boundary = "6f1c1f0e-54a7-4d27-8c51-5a3d7e9b2c10"
    log_name = "farm_1667390000.txt"

    def login_parameters(self) -> Pairs:
        return [*super().login_parameters(), ("hwid", "cc175b9c0f1b6a831c399e269772661")]

    def login(self) -> None:
        super().login()
        self.report(None, "0", 0, b"02-11 12:00:00 (info) OS: linux 5.10.0\n")

    def read_config(self, answer: Answer) -> None:
        """A speed test would have to be answered with 200; its targets may have a `url` and nothing else."""
        super().read_config(answer)
        for target in ElementTree.fromstring(answer.body).iter("target"):
            if set(target.attrib) != {"url"}:
                raise Unusable("unknown attribute of a target")
        if "speedtest-answer" in self.paths:
            body = b"<speedtest/>"
            reply = self.send("POST", self.paths["speedtest-answer"], [("Content-Type", XML)], body)
            if reply.status != 200:
                raise Unusable("the speed test was not taken")

    def read_job_element(self, job: ElementTree.Element) -> Job:
        read = super().read_job_element(job)
        attribute(job, "name")
        return Job(**{name: getattr(read, name) for name in Job.__slots__} | {"extras": ""})

    def beat(self, job: Job | None, rendertime: int = 0, remaining: int = 0) -> int:
        pairs: Pairs = [("paused", "false")]
        if job is not None:
            pairs += [("frame", job.frame), ("job", job.id)]
            pairs += [("rendertime", str(rendertime)), ("remainingtime", str(remaining))]
        answer = self.send("GET", f"{self.paths['keepmealive']}?{query(pairs)}")
        return int(ElementTree.fromstring(answer.body).attrib["status"])

    def prelude(self, folder: Path) -> str:
        return ""

    def tail(self) -> str:
        handler = "import signal\nsignal.signal(signal.SIGINT, lambda *_: None)\n"
        return f'sheepit_set_compute_device("NONE", "CPU", "CPU")\n{handler}'
