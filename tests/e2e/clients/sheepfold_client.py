"""A client that speaks the protocol of Sheepfold's own, from the page that documents it."""

from tests.e2e.clients.client import Job, Pairs, attribute, integer, parse
from tests.e2e.clients.java_url import Java2016, query
from tests.e2e.clients.wire import Answer, Unusable

WISH = "sheepfold/1 heartbeat=60 leases=2"


class Sheepfold(Java2016):
    """Agrees on heartbeat and leases, and names the leases that it holds."""

    generation = "sheepfold"
    version = "0.1.0"

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.open: list[str] = []
        self.granted = ""
        self.wait = 0

    def request(self, method: str, target: str, headers: Pairs | None = None, body: bytes | None = None) -> bytes:
        own = dict(headers or [])
        lines = [("Host", "farm.example"), ("Accept", "*/*"), ("Accept-Encoding", "identity")]
        lines += [("Connection", "keep-alive"), ("User-Agent", "sheepfold/0.1.0")]
        lines += [("Cookie", self.cookie)] if self.cookie else []
        if body is not None:
            kind = own.get("Content-Type", "application/x-www-form-urlencoded")
            lines += [("Content-Length", str(len(body))), ("Content-Type", kind)]
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
        return head.encode() + b"\r\n" + (body or b"")

    def keep_cookie(self, answer: Answer) -> None:
        for value in answer.any_case("Set-Cookie"):
            self.cookie = value.partition(";")[0]

    def login(self) -> None:
        words = [(name, WISH if name == "extras" else value) for name, value in self.hardware()]
        answer = self.send("POST", "/server/config.php", body=query(words).encode())
        self.read_config(answer)
        self.granted = attribute(parse(answer), "extras")
        if not self.granted.startswith("sheepfold/1 "):
            raise Unusable("the farm is no Sheepfold")

    def job_parameters(self) -> Pairs:
        return [*super().job_parameters(), ("open_leases", ",".join(self.open))]

    def ask(self) -> Job | None:
        target = f"{self.paths['request-job']}?{query(self.job_parameters())}"
        xml = [("Content-Type", "application/xml; charset=utf-8")]
        root = parse(self.send("POST", target, xml, self.cache()))
        job = self.read_job(root)
        if job is None:
            self.wait = integer(root, "wait")
        else:
            self.open.append(job.extras)
        return job

    def at_once(self, job: Job) -> bool:
        return job.synchronous == "1"

    def upload(self, job: Job, image: bytes, rendertime: int, memory_kib: int) -> int:
        status = super().upload(job, image, rendertime, memory_kib)
        self.open.remove(job.extras)
        return status

    def report(self, job: Job | None, kind: str, rendertime: int, log: bytes) -> int:
        if job is not None:
            self.open.remove(job.extras)
        return super().report(job, kind, rendertime, log)

    def prelude(self, folder: object) -> str:
        return ""

    def tail(self) -> str:
        return 'sheepit_set_compute_device("NONE", "CPU", "CPU")\n'
