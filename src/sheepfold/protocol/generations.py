"""Which client a machine runs, and what that client must get. Pure.

Ten years of SheepIt clients are strict in different ways. Most differences are met by sending everything to
everybody; the table below holds those that need a decision, and it says what each generation insists on, so
that a test can hold the common answer against every row.
"""

from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum, Flag, StrEnum, auto

from sheepfold.protocol import limits
from sheepfold.protocol.codes import Os, UploadStatus, WorkStatus
from sheepfold.protocol.extras import parse_extras
from sheepfold.protocol.params import Params
from sheepfold.protocol.wire_rules import integer


class Generation(StrEnum):
    """Clients that need the same treatment, oldest first. Stored with the session."""

    JAVA_2015 = "java-2015"
    JAVA_2016 = "java-2016"
    JAVA_2017 = "java-2017"
    JAVA_2018 = "java-2018"
    JAVA_2020_04 = "java-2020-04"
    JAVA_2020_07 = "java-2020-07"
    JAVA_2021 = "java-2021"
    JAVA_2022 = "java-2022"
    RUST_2024 = "rust-2024"
    GO_2017 = "go-2017"
    SHEEPFOLD = "sheepfold"
    UNKNOWN = "unknown"


class Upload(Enum):
    """Where a client sends its frames."""

    VALIDATE_JOB = auto()
    VALIDATION_URL = auto()
    NEVER = auto()


class Progress(Enum):
    """Which element of `jobrequest` the client insists on."""

    NONE = auto()
    FRAMES = auto()
    STATS = auto()


class Needs(Flag):
    """Parts of an answer without which the client refuses the whole of it."""

    NONE = 0
    REVISION = auto()
    EXTRAS = auto()
    NAME = auto()
    PASSWORD = auto()
    SYNCHRONOUS_UPLOAD = auto()
    VALIDATION_URL = auto()
    UPDATE_METHOD = auto()
    SCRIPT_TEXT = auto()
    CHUNKS = auto()
    PUBLICKEY = auto()
    ALL_ENDPOINTS = auto()


class ArchiveNeeds(Flag):
    """What a zip must keep to be unpacked. An archive that keeps all of it suits everybody."""

    NONE = 0
    NO_STREAMED_STORED = auto()
    DATES_FROM_1980 = auto()
    DIRECTORIES_FIRST = auto()
    FILE_MODES = auto()


class Synchronous(Enum):
    """What `synchronous_upload="1"` means; every other value means the opposite."""

    QUEUED = auto()
    AT_ONCE = auto()


@dataclass(frozen=True, slots=True)
class Traits:
    """One row of the table. `since`: the first day on which such a client was built."""

    label: str
    since: date
    uploads: Upload
    needs: Needs
    progress: Progress
    synchronous: Synchronous
    open_tiles: int
    archive: ArchiveNeeds
    mac_executables: tuple[str, ...]
    work_statuses: frozenset[WorkStatus]
    freezing_upload_statuses: frozenset[UploadStatus] = frozenset()
    decrypts: bool = False
    sends_revision: bool = False
    old_prelude: bool = False
    calls_set_compute_device: bool = True
    sets_executable_bit: bool = True
    obeys_stop: bool = True
    reports_stop: bool = True
    reports_errors: bool = True
    speedtest: bool = False
    test_errors_are_fatal: bool = False

    def executables(self, os: Os) -> tuple[str, ...]:
        """Every path inside the renderer archive at which this client may look for the program."""
        return self.mac_executables if os is Os.MAC else ("rend.exe",)

    def synchronous_upload(self, *, at_once: bool) -> bool:
        """The value of the attribute that makes this client upload as wished."""
        return at_once == (self.synchronous is Synchronous.AT_ONCE)

    def work_status(self, status: WorkStatus) -> WorkStatus:
        """`status`, or "no job" where it would stop, freeze or confuse this client."""
        return status if status in self.work_statuses else WorkStatus.NO_JOB

    def upload_status(self, status: UploadStatus) -> UploadStatus:
        """`status`, or "upload failed" where it would freeze this client: it tries again, then goes on."""
        return UploadStatus.UPLOAD_FAILED if status in self.freezing_upload_statuses else status

    def commandline_words(self) -> tuple[str, ...]:
        """Words to put before `.c` so that this client's own script lines run on every Blender."""
        return ("--python-expr", _USER_PREFERENCES) if self.old_prelude else ()


# Clients to 2019-01 begin the script with `bpy.context.user_preferences`, which Blender 2.80 renamed. Their
# script would end there, before the farm's part. Written without blanks, because clients split at them.
_USER_PREFERENCES = "__import__('bpy').types.Context.user_preferences=property(lambda*a:a[0].preferences)"

_MAC_TO_2022 = "Blender/blender.app/Contents/MacOS/blender"
_MAC_FROM_2022 = "Blender/Blender.app/Contents/MacOS/Blender"

_SEED_STATUSES = frozenset(
    {
        WorkStatus.OK,
        WorkStatus.NO_JOB,
        WorkStatus.NO_RENDERING_RIGHT,
        WorkStatus.SESSION_DEAD,
        WorkStatus.SESSION_DISABLED,
        WorkStatus.NO_RENDERER,
    }
)
_BUSY = frozenset({WorkStatus.MAINTENANCE, WorkStatus.OVERLOADED})

# --- the table: each row says how it differs from the one it grew from ----------------------------

_JAVA_2015 = Traits(
    label="SheepIt client of 2015 or 2016",
    since=date(2015, 6, 9),
    uploads=Upload.VALIDATE_JOB,
    needs=Needs.REVISION | Needs.EXTRAS | Needs.NAME,
    progress=Progress.FRAMES,
    synchronous=Synchronous.QUEUED,
    open_tiles=1,  # as long as it is told to upload at once
    archive=ArchiveNeeds.NO_STREAMED_STORED,
    mac_executables=(_MAC_TO_2022,),
    work_statuses=_SEED_STATUSES,
    freezing_upload_statuses=frozenset(
        {UploadStatus.MISSING_PARAMETER, UploadStatus.BROKEN_MACHINE, UploadStatus.SESSION_DISABLED}
    ),
    sends_revision=True,
    old_prelude=True,
    calls_set_compute_device=False,
    reports_stop=False,
)
_JAVA_2016 = replace(
    _JAVA_2015,
    label="SheepIt client of 2016 or 2017",
    since=date(2016, 10, 12),
    needs=Needs.EXTRAS | Needs.NAME | Needs.PASSWORD,
    progress=Progress.STATS,
    archive=ArchiveNeeds.DATES_FROM_1980,
    work_statuses=_SEED_STATUSES | _BUSY,
    decrypts=True,
    sends_revision=False,
    calls_set_compute_device=True,  # from 2017-02 on; harmless before
)
_JAVA_2017 = replace(_JAVA_2016, label="SheepIt client of 2017 or 2018", since=date(2017, 11, 27), reports_stop=True)
_JAVA_2018 = replace(
    _JAVA_2017,
    label="SheepIt client of 2019",
    since=date(2018, 12, 20),
    needs=_JAVA_2017.needs | Needs.SYNCHRONOUS_UPLOAD | Needs.UPDATE_METHOD | Needs.SCRIPT_TEXT | Needs.PUBLICKEY,
    archive=ArchiveNeeds.NONE,
)
_JAVA_2020_04 = replace(
    _JAVA_2018,
    label="SheepIt client of spring 2020",
    since=date(2020, 4, 14),
    uploads=Upload.VALIDATION_URL,
    needs=_JAVA_2018.needs | Needs.VALIDATION_URL,
    progress=Progress.NONE,
    synchronous=Synchronous.AT_ONCE,
    open_tiles=limits.FOREIGN_OPEN_TILES,
    work_statuses=_SEED_STATUSES | _BUSY | {WorkStatus.INTERNAL_ERROR},
    freezing_upload_statuses=frozenset(),
    old_prelude=False,
)
_JAVA_2020_07 = replace(
    _JAVA_2020_04,
    label="SheepIt client of 2020 or 2021",
    since=date(2020, 7, 3),
    test_errors_are_fatal=True,
)
_JAVA_2021 = replace(_JAVA_2020_07, label="SheepIt client of 2021", since=date(2021, 6, 24), speedtest=True)
_JAVA_2022 = replace(
    _JAVA_2021,
    label="SheepIt client of 2022",
    since=date(2022, 1, 4),
    mac_executables=(_MAC_TO_2022, _MAC_FROM_2022),  # the second from 2022-03-27 on
)
_RUST_2024 = Traits(
    label="sheepit-client-rs",
    since=date(2024, 3, 31),
    uploads=Upload.VALIDATION_URL,
    needs=Needs.NAME
    | Needs.PASSWORD
    | Needs.SYNCHRONOUS_UPLOAD
    | Needs.VALIDATION_URL
    | Needs.UPDATE_METHOD
    | Needs.CHUNKS
    | Needs.PUBLICKEY
    | Needs.ALL_ENDPOINTS,
    progress=Progress.NONE,
    synchronous=Synchronous.AT_ONCE,
    open_tiles=limits.FOREIGN_OPEN_TILES,
    archive=ArchiveNeeds.DIRECTORIES_FIRST,
    mac_executables=(_MAC_FROM_2022,),
    # It sleeps 206 and 207 out for 10 to 30 hours, and leaves for good after 205 and 208.
    work_statuses=(_SEED_STATUSES | {WorkStatus.INTERNAL_ERROR}) - {WorkStatus.NO_RENDERER},
    decrypts=True,
    sets_executable_bit=False,
    obeys_stop=False,
    reports_stop=False,
    reports_errors=False,
)
_GO_2017 = replace(
    _JAVA_2016,
    label="go-sheepit-client",
    since=date(2017, 1, 29),
    uploads=Upload.NEVER,
    needs=Needs.NONE,
    progress=Progress.NONE,
    archive=ArchiveNeeds.DIRECTORIES_FIRST | ArchiveNeeds.FILE_MODES,
    work_statuses=_SEED_STATUSES,
    freezing_upload_statuses=frozenset(),
    decrypts=False,
    obeys_stop=False,
    reports_errors=False,
)
_SHEEPFOLD = Traits(
    label="Sheepfold client",
    since=date(2026, 1, 1),
    uploads=Upload.VALIDATE_JOB,
    needs=Needs.NONE,
    progress=Progress.NONE,
    synchronous=Synchronous.AT_ONCE,
    open_tiles=limits.OWN_OPEN_TILES_MAX,  # the number of leases agreed through `extras` decides
    archive=ArchiveNeeds.NONE,
    mac_executables=(_MAC_FROM_2022,),
    work_statuses=frozenset(WorkStatus),
    decrypts=True,
)
# A client that only the specification describes: it gets what that page promises, to the letter.
_UNKNOWN = replace(
    _JAVA_2015,
    label="unknown client",
    since=date(2015, 6, 1),
    needs=Needs.NONE,
    progress=Progress.NONE,
    open_tiles=limits.FOREIGN_OPEN_TILES,
    archive=~ArchiveNeeds.NONE,
    mac_executables=(_MAC_TO_2022, _MAC_FROM_2022),
    freezing_upload_statuses=frozenset(),
)

TRAITS: dict[Generation, Traits] = {
    Generation.JAVA_2015: _JAVA_2015,
    Generation.JAVA_2016: _JAVA_2016,
    Generation.JAVA_2017: _JAVA_2017,
    Generation.JAVA_2018: _JAVA_2018,
    Generation.JAVA_2020_04: _JAVA_2020_04,
    Generation.JAVA_2020_07: _JAVA_2020_07,
    Generation.JAVA_2021: _JAVA_2021,
    Generation.JAVA_2022: _JAVA_2022,
    Generation.RUST_2024: _RUST_2024,
    Generation.GO_2017: _GO_2017,
    Generation.SHEEPFOLD: _SHEEPFOLD,
    Generation.UNKNOWN: _UNKNOWN,
}


def traits_of(generation: Generation) -> Traits:
    """The row of a generation."""
    return TRAITS[generation]


# --- recognition ----------------------------------------------------------------------------------


def recognise(params: Params, method: str, user_agent: str) -> Generation:
    """The generation that sent this session request. `params`: as received, query and form together.

    A GET by a Java client gives JAVA_2015, the cautious reading; its first calls may tell more.
    """
    if parse_extras(params.get("extras")) is not None:
        return Generation.SHEEPFOLD
    if user_agent.startswith("Go-http-client"):
        return Generation.GO_2017
    if user_agent.startswith("Rust") or params.get("headless") in ("true", "false"):
        return Generation.RUST_2024
    return _by_parameters(params) or _by_method(method, user_agent)


def _by_parameters(params: Params) -> Generation | None:
    """Each of these parameters came with a release and stayed."""
    if "hwid" in params:
        return Generation.JAVA_2022
    if "os_version" in params:
        return Generation.JAVA_2021
    if "headless" in params:
        return Generation.JAVA_2020_07
    if "ui" in params:
        major = integer(params.get("version", "").partition(".")[0]) or 0
        return Generation.JAVA_2020_04 if major >= 6 else Generation.JAVA_2018
    return None


def _by_method(method: str, user_agent: str) -> Generation:
    if not user_agent.startswith("Java/"):
        return Generation.UNKNOWN
    return Generation.JAVA_2017 if method == "POST" else Generation.JAVA_2015


def after_work_request(generation: Generation, sent: Container[str]) -> Generation:
    """What the names of a job request's parameters add: `ram_max` came in 2017-03."""
    if generation is Generation.JAVA_2015 and "ram_max" in sent:
        return Generation.JAVA_2016
    return generation


def after_scene_download(generation: Generation, sent: Container[str]) -> Generation:
    """What the names of a scene download's parameters add: `revision` went in 2016-10."""
    if generation is Generation.JAVA_2015 and "revision" not in sent:
        return Generation.JAVA_2016
    return generation
