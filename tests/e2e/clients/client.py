"""What all strict test clients have in common. Written from the facts about real clients, without the farm's code."""

import hashlib
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

from tests.e2e.clients.wire import Answer, Unusable, Wire

HOST = "farm.example"  # what stands in the Host header
INT32 = 2**31 - 1
STATS = ("credits_session", "credits_total", "frame_remaining", "waiting_project", "connected_machine")
DOWNLOAD_ATTEMPTS = 5
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Job:
    """A job as a client has read it. `frame` as it was written."""

    id: str
    frame: str
    path: str
    archive_md5: str
    renderer_md5: str
    commandline: str
    script: str
    extras: str = ""
    revision: str = ""
    password: str = ""
    upload_url: str = ""
    synchronous: str = "1"
    chunks: tuple[tuple[str, str], ...] = ()


def parse(answer: Answer) -> ElementTree.Element:
    """The XML of an answer."""
    if answer.status != 200 or not answer.content_type().startswith("text/xml"):
        raise Unusable(f"HTTP {answer.status}, {answer.content_type()}")
    try:
        return ElementTree.fromstring(answer.body)
    except ElementTree.ParseError as error:
        raise Unusable(f"not well-formed: {error}") from error


def attribute(element: ElementTree.Element, name: str, default: str | None = None) -> str:
    """A required attribute, unless there is a default."""
    value = element.get(name, default)
    if value is None:
        raise Unusable(f"'{element.tag}' has no attribute '{name}'")
    return value


def integer(element: ElementTree.Element, name: str) -> int:
    """A required number as the object mapper of Java takes it: digits only, 32 bits."""
    text = attribute(element, name)
    if not re.fullmatch("[0-9]+", text) or int(text) > INT32:
        raise Unusable(f"'{name}' of '{element.tag}' is no 32-bit number: '{text}'")
    return int(text)


def only(element: ElementTree.Element, name: str) -> ElementTree.Element:
    """The one child of this name."""
    found = element.findall(name)
    if len(found) != 1:
        raise Unusable(f"'{element.tag}' has {len(found)} times '{name}'")
    return found[0]


def check_stats(root: ElementTree.Element) -> None:
    """All five numbers of the one `stats` element."""
    stats = only(root, "stats")
    for name in STATS:
        integer(stats, name)


def check_upload_url(url: str) -> str:
    """An absolute address with a query, to which the measures can be appended."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or not parse_qs(parts.query):
        raise Unusable(f"no frame can be sent to '{url}'")
    return url


class Client(ABC):
    """One machine with one client. `frames` counts what it uploaded."""

    generation: str
    version: str
    os = "linux"
    uploads = True

    def __init__(self, wire: Wire, login: str, password: str) -> None:
        self.wire = wire
        self.login_name = login
        self.password = password
        self.paths: dict[str, str] = {}
        self.max_period = 0
        self.frames = 0
        self.archives: dict[str, bytes] = {}  # md5 -> bytes that the machine has

    @abstractmethod
    def login(self) -> None:
        """Ask for a session. Raises Unusable where the real client would end."""

    @abstractmethod
    def ask(self) -> Job | None:
        """Ask for a job; None for "no job"."""

    @abstractmethod
    def fetch(self, job: Job) -> None:
        """Download what the machine does not have. Raises Unusable after the last attempt."""

    @abstractmethod
    def beat(self, job: Job | None, rendertime: int = 0, remaining: int = 0) -> int:
        """A heartbeat; the status of the answer."""

    @abstractmethod
    def upload(self, job: Job, image: bytes, rendertime: int, memory_kib: int) -> int:
        """Send a frame; the status of the answer."""

    @abstractmethod
    def logout(self) -> None:
        """Say goodbye."""

    @abstractmethod
    def render(self, job: Job, folder: Path) -> bytes:
        """The image, by a real Blender."""

    def at_once(self, job: Job) -> bool:
        """Whether the frame goes out before the next job is asked for."""
        return True

    def hardware(self) -> Pairs:
        """The parameters of a session request that every client sends, in the order of the Java clients."""
        return [
            ("login", self.login_name),
            ("password", self.password),
            ("cpu_family", "6"),
            ("cpu_model", "158"),
            ("cpu_model_name", "Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz"),
            ("cpu_cores", "4"),
            ("os", self.os),
            ("ram", "16252928"),
            ("bits", "64bit"),
            ("version", self.version),
            ("hostname", f"box-{self.generation}"),
            ("extras", ""),
        ]

    def download(self, request: bytes, md5: str) -> bytes:
        """A file with exactly this md5; five attempts, at once one after the other."""
        for _ in range(DOWNLOAD_ATTEMPTS):
            answer = self.wire.exchange(request)
            encoded = answer.any_case("Content-Encoding")
            if answer.status == 200 and not encoded and hashlib.md5(answer.body).hexdigest() == md5:
                return answer.body
        raise Unusable(f"error 9: the archive {md5} could not be downloaded, HTTP {answer.status}")
