"""Java clients from 2015 to spring 2020, which speak HTTP through the JVM's own classes."""

from pathlib import Path
from urllib.parse import quote_plus, unquote_plus, urlsplit
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
    parse,
)
from tests.e2e.clients.wire import Answer, Unusable

FORM = "application/x-www-form-urlencoded"
BOUNDARY = "***232404jkg4220957934FW**"


def query(pairs: Pairs) -> str:
    """As the JVM encodes it: `+` for a blank."""
    return "&".join(f"{name}={quote_plus(value)}" for name, value in pairs)


class Java2015(Client):
    """Keeps its cookie by hand and reads what it finds by name."""

    generation = "java-2015"
    version = "3.3.2"
    raw_parameters = frozenset({"cpu_family", "cpu_model", "os", "bits"})  # sent unencoded until 2016-09

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.cookie = ""

    # --- HTTP

    def request(self, method: str, target: str, headers: Pairs | None = None, body: bytes | None = None) -> bytes:
        """Own headers first, then those that the JVM adds."""
        own = ([("Cookie", self.cookie)] if self.cookie else []) + (headers or [])
        names = {name.lower() for name, _ in own}
        added = [
            ("User-Agent", "Java/1.8.0_45"),
            ("Host", HOST),
            ("Accept", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"),
            ("Connection", "keep-alive"),
        ]
        if body is not None:
            added += [("Content-type", FORM), ("Content-Length", str(len(body)))]
        lines = own + [(name, value) for name, value in added if name.lower() not in names]
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
        return head.encode() + b"\r\n" + (body or b"")

    def send(self, method: str, target: str, headers: Pairs | None = None, body: bytes | None = None) -> Answer:
        """One exchange, and the cookie that its answer may set."""
        answer = self.wire.exchange(self.request(method, target, headers, body))
        self.keep_cookie(answer)
        return answer

    def keep_cookie(self, answer: Answer) -> None:
        """The whole value of the last header of exactly this name, attributes and all."""
        for value in answer.exactly("Set-Cookie"):
            self.cookie = value

    def post_file(self, target: str, name: str, content: bytes) -> Answer:
        """A multipart body without a content type in its part. Cookies of the answer are not looked at."""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file";filename="{name}"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
        headers = [("Content-Type", f"multipart/form-data;boundary={BOUNDARY}")]
        return self.wire.exchange(self.request("POST", target, headers, body))

    # --- session

    def login_parameters(self) -> Pairs:
        """What goes into the session request."""
        return self.hardware()

    def login(self) -> None:
        parts = [
            f"{name}={value if name in self.raw_parameters else quote_plus(value)}"
            for name, value in self.login_parameters()
        ]
        self.read_config(self.send("GET", f"/server/config.php?{'&'.join(parts)}"))

    def read_config(self, answer: Answer) -> None:
        """Endpoints that lack a part are skipped."""
        root = parse(answer)
        if root.tag != "config" or integer(root, "status") != 0:
            raise Unusable(f"login refused: {answer.body!r}")
        for element in root.iter("request"):
            if "type" in element.attrib and "path" in element.attrib:
                self.paths[element.attrib["type"]] = element.attrib["path"]
                if "max-period" in element.attrib:
                    self.max_period = integer(element, "max-period")
        self.check_paths()

    def check_paths(self) -> None:
        """What this client calls."""
        needed = {"request-job", "download-archive", "validate-job", "error", "keepmealive", "logout"}
        if missing := needed - self.paths.keys():
            raise Unusable(f"no path for {missing}")

    def logout(self) -> None:
        self.send("GET", self.paths["logout"])

    # --- jobs

    def job_parameters(self) -> Pairs:
        """What goes into a job request."""
        return [("computemethod", "1"), ("cpu_cores", "4")]

    def cache(self) -> bytes:
        """Which archives the machine has."""
        files = "".join(f'<file md5="{md5}"/>' for md5 in self.archives)
        inner = f"<cache>{files}</cache>" if files else "<cache/>"
        return f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>{inner}'.encode()

    def ask(self) -> Job | None:
        target = f"{self.paths['request-job']}?{query(self.job_parameters())}"
        return self.read_job(parse(self.send("POST", target, body=self.cache())))

    def read_job(self, root: ElementTree.Element) -> Job | None:
        """A job, if the status says so. A status that this client does not know is Unusable."""
        status = integer(root, "status")
        if root.tag != "jobrequest" or status not in (0, 200):
            raise Unusable(f"status {status}")
        for element in root.iter("file"):
            if element.get("action") == "delete":
                self.archives.pop(attribute(element, "md5"), None)
        if status == 200:
            return None
        self.check_progress(root)
        return self.read_job_element(next(root.iter("job")))

    def check_progress(self, root: ElementTree.Element) -> None:
        """Nothing goes without `frames`."""
        only(root, "frames")

    def read_job_element(self, job: ElementTree.Element) -> Job:
        """Every attribute that this client insists on."""
        integer(job, "use_gpu")
        renderer = next(job.iter("renderer"))
        return Job(
            id=attribute(job, "id"),
            frame=attribute(job, "frame"),
            path=attribute(job, "path"),
            archive_md5=attribute(job, "archive_md5"),
            renderer_md5=attribute(renderer, "md5"),
            commandline=attribute(renderer, "commandline"),
            script=job.findtext("script") or "",
            extras=attribute(job, "extras"),
            revision=attribute(job, "revision"),
            synchronous=attribute(job, "synchronous_upload", "1"),
        )

    def at_once(self, job: Job) -> bool:
        return job.synchronous != "1"

    # --- archives

    def scene_parameters(self, job: Job) -> Pairs:
        """Which scene."""
        return [("type", "job"), ("job", job.id), ("revision", job.revision)]

    def fetch(self, job: Job) -> None:
        renderer: Pairs = [("type", "binary"), ("job", job.id)]
        for md5, parameters in ((job.renderer_md5, renderer), (job.archive_md5, self.scene_parameters(job))):
            if md5 not in self.archives:
                target = f"{self.paths['download-archive']}?{query(parameters)}"
                self.archives[md5] = self.download(self.request("GET", target), md5)

    # --- heartbeats, frames, errors

    def heartbeat_path(self) -> str:
        """Whatever the config says."""
        return "/server/keepmealive.php"

    def beat(self, job: Job | None, rendertime: int = 0, remaining: int = 0) -> int:
        pairs: Pairs = []
        if job is not None:
            pairs = [("frame", job.frame), ("job", job.id), *self.extras_of(job)]
            pairs += [("rendertime", str(rendertime)), ("remainingtime", str(remaining))]
        target = self.heartbeat_path() + (f"?{query(pairs)}" if pairs else "")
        return integer(parse(self.send("GET", target)), "status")

    def extras_of(self, job: Job) -> Pairs:
        """The token."""
        return [("extras", job.extras)] if job.extras else []

    def upload_parameters(self, job: Job, rendertime: int, memory_kib: int) -> Pairs:
        """What goes with a frame."""
        return [
            ("job", job.id),
            ("frame", job.frame),
            ("rendertime", str(rendertime)),
            ("revision", job.revision),
            ("memoryused", str(memory_kib)),
            ("extras", job.extras),
        ]

    def upload_target(self, job: Job, rendertime: int, memory_kib: int) -> str:
        """Where the frame goes."""
        return f"{self.paths['validate-job']}?{query(self.upload_parameters(job, rendertime, memory_kib))}"

    def upload(self, job: Job, image: bytes, rendertime: int, memory_kib: int) -> int:
        target = self.upload_target(job, rendertime, memory_kib)
        root = parse(self.post_file(target, f"{job.id}_{job.frame}.png", image))
        if root.tag != "jobvalidate":
            raise Unusable("no root")
        self.frames += 1
        return integer(root, "status")

    def error_parameters(self, job: Job | None, kind: str, rendertime: int) -> Pairs:
        """What goes with an error log."""
        if job is None:
            return [("type", kind)]
        return [
            ("type", kind),
            ("frame", job.frame),
            ("job", job.id),
            ("render_time", str(rendertime)),
            *self.extras_of(job),
        ]

    log_name = "farm_1433860000"

    def report(self, job: Job | None, kind: str, rendertime: int, log: bytes) -> int:
        """Send an error log; the HTTP status, which is all that matters."""
        target = f"{self.paths['error']}?{query(self.error_parameters(job, kind, rendertime))}"
        return self.post_file(target, self.log_name, log).status

    # --- rendering

    def render(self, job: Job, folder: Path) -> bytes:
        renderer = folder / job.renderer_md5
        scene = folder / job.archive_md5
        self.unpack(self.archives[job.renderer_md5], renderer, "")
        self.unpack(self.archives[job.archive_md5], scene, job.password)
        script = folder / f"script_{job.id}"
        script.write_text(f"{self.prelude(folder)}{job.script}\n{self.tail()}")
        words = blender.command(job.commandline, {
            ".e": [str(renderer / "rend.exe")],
            ".c": [str(scene / job.path), "-P", str(script)],
            ".o": [f"{folder}/{job.id}_"],
            ".f": [job.frame],
        })  # fmt: skip
        return blender.run(["nice", "-n", "19", *words], folder, f"{job.id}_{job.frame}")

    def unpack(self, archive: bytes, folder: Path, password: str) -> None:
        """The JVM's stream reader: no passwords, and every file becomes executable."""
        blender.unpack_stream(archive, folder)

    def prelude(self, folder: Path) -> str:
        """Names of Blender 2.79."""
        return f"import bpy\nbpy.context.user_preferences.filepaths.temporary_directory = {str(folder)!r}\n"

    def tail(self) -> str:
        """Names of Blender 2.79."""
        return (
            "bpy.context.user_preferences.system.compute_device_type = 'NONE'\n"
            "bpy.context.scene.cycles.device = 'CPU'\n"
            "bpy.context.user_preferences.system.compute_device = 'CPU'\n"
        )


class Java2016(Java2015):
    """October 2016: `stats`, names and passwords; the heartbeat goes where the config says."""

    generation = "java-2016"
    version = "5.0.0"
    raw_parameters = frozenset()

    def check_progress(self, root: ElementTree.Element) -> None:
        stats = only(root, "stats")
        if not stats.attrib:
            raise Unusable("stats are empty")

    def read_job_element(self, job: ElementTree.Element) -> Job:
        integer(job, "use_gpu")
        attribute(job, "name")
        renderer = next(job.iter("renderer"))
        return Job(
            id=attribute(job, "id"),
            frame=attribute(job, "frame"),
            path=attribute(job, "path"),
            archive_md5=attribute(job, "archive_md5"),
            renderer_md5=attribute(renderer, "md5"),
            commandline=attribute(renderer, "commandline"),
            script=job.findtext("script") or "",
            extras=attribute(job, "extras"),
            password=attribute(job, "password"),
            synchronous=attribute(job, "synchronous_upload", "1"),
        )

    def heartbeat_path(self) -> str:
        return self.paths["keepmealive"]

    def scene_parameters(self, job: Job) -> Pairs:
        return [("type", "job"), ("job", job.id)]

    def upload_parameters(self, job: Job, rendertime: int, memory_kib: int) -> Pairs:
        pairs = super().upload_parameters(job, rendertime, memory_kib)
        return [(name, value) for name, value in pairs if name != "revision"]

    def unpack(self, archive: bytes, folder: Path, password: str) -> None:
        """Passwords are known; dates before 1980 are not."""
        blender.unpack(archive, folder, password, executables=("rend.exe",))


class Java2017(Java2016):
    """November 2017: the session request is a POST, limits are told, the script calls the farm's function."""

    generation = "java-2017"
    version = "5.366.2818"

    def login(self) -> None:
        body = query(self.login_parameters()).encode()
        self.read_config(self.send("POST", "/server/config.php", body=body))

    def job_parameters(self) -> Pairs:
        return [*super().job_parameters(), ("ram_max", "-1"), ("rendertime_max", "-1")]

    def error_parameters(self, job: Job | None, kind: str, rendertime: int) -> Pairs:
        pairs = super().error_parameters(job, kind, rendertime)
        return pairs if job is None else [*pairs[:4], ("memoryused", "0"), *pairs[4:]]

    def tail(self) -> str:
        return (
            'sheepit_set_compute_device("NONE", "CPU", "CPU")\n'
            "bpy.context.scene.render.tile_x = 32\nbpy.context.scene.render.tile_y = 32\n"
        )


class Java2018(Java2017):
    """2019: a real cookie jar, an object mapper that takes no nonsense, a script for both names of Blender."""

    generation = "java-2018"
    version = "5.658.3057"

    def keep_cookie(self, answer: Answer) -> None:
        for value in answer.any_case("Set-Cookie"):
            self.cookie = value.partition(";")[0]

    def login_parameters(self) -> Pairs:
        return [*super().login_parameters(), ("ui", "GuiText")]

    def read_config(self, answer: Answer) -> None:
        """An element without type or path fails the whole answer; without a key the client crashes."""
        root = parse(answer)
        if integer(root, "status") != 0:
            raise Unusable(f"login refused: {answer.body!r}")
        self.password = attribute(root, "publickey")
        for element in root.findall("request"):
            self.paths[attribute(element, "type")] = attribute(element, "path")
        self.check_paths()

    def check_progress(self, root: ElementTree.Element) -> None:
        check_stats(root)

    def read_job_element(self, job: ElementTree.Element) -> Job:
        integer(job, "id")
        attribute(job, "synchronous_upload")
        attribute(only(job, "renderer"), "update_method")
        if not only(job, "script").text:
            raise Unusable("the script is empty")
        return super().read_job_element(job)

    def prelude(self, folder: Path) -> str:
        place = f"filepaths.temporary_directory = {str(folder)!r}\n"
        return (
            f"import bpy\ntry:\n\tbpy.context.user_preferences.{place}"
            f"except AttributeError:\n\tbpy.context.preferences.{place}"
        )

    def tail(self) -> str:
        handler = "import signal\nsignal.signal(signal.SIGINT, lambda *_: None)\n"
        return super().tail() + handler


class Java2020April(Java2018):
    """Spring 2020: frames go to an address of their own, and `synchronous_upload` means the opposite."""

    generation = "java-2020-04"
    version = "6.0.0"

    def check_paths(self) -> None:
        needed = {"request-job", "download-archive", "error", "keepmealive", "logout"}
        if missing := needed - self.paths.keys():
            raise Unusable(f"no path for {missing}")

    def read_job_element(self, job: ElementTree.Element) -> Job:
        read = super().read_job_element(job)
        url = check_upload_url(unquote_plus(attribute(job, "validation_url")))
        return Job(**{name: getattr(read, name) for name in Job.__slots__} | {"upload_url": url})

    def at_once(self, job: Job) -> bool:
        return job.synchronous == "1"

    def upload_target(self, job: Job, rendertime: int, memory_kib: int) -> str:
        parts = urlsplit(f"{job.upload_url}&rendertime={rendertime}&memoryused={memory_kib}")
        return f"{parts.path}?{parts.query}"
