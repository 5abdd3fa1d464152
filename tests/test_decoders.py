"""Every function that makes sense of bytes or texts from outside, against noise and good input that was changed.

Each may raise only what it promises, and leaves no file. A new one fails a test here until it has its row.
"""

import ast
import asyncio
import contextlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from sheepfold.client.blender.output import parse_line
from sheepfold.client.config import parse_duration, parse_size
from sheepfold.client.devices import parse_devices
from sheepfold.client.hardware import parse_cpuinfo, parse_processor
from sheepfold.client.idle import parse_ioreg
from sheepfold.client.schedule import parse_timetable
from sheepfold.client.unpack import UnpackError
from sheepfold.client.unpack import unpack as client_unpack
from sheepfold.protocol import codec, params
from sheepfold.protocol.extras import parse_extras
from sheepfold.protocol.safe_xml import BadMessage
from sheepfold.protocol.safe_xml import parse as parse_xml
from sheepfold.server.core.config import config
from sheepfold.server.core.errors import BadInput
from sheepfold.server.core.redaction import hide_in_text
from sheepfold.server.node_api.byte_ranges import Unsatisfiable, parse_range
from sheepfold.server.node_api.multipart import BadUpload, receive_file
from sheepfold.server.node_api.wire import TooLarge, all_params, session_token_hash
from sheepfold.server.outputs.encoder import BadImage
from sheepfold.server.outputs.encoder import read_image as read_film_frame
from sheepfold.server.projects.analysis import analyse
from sheepfold.server.projects.archives import inspect as inspect_upload
from sheepfold.server.projects.frame_ranges import parse_frames
from sheepfold.server.projects.names import BadArchive
from sheepfold.server.renderers.builds import read_program
from sheepfold.server.renderers.releases import BadRenderer
from sheepfold.server.renderers.releases import unpack as unpack_renderer
from sheepfold.server.renderers.versions import parse_version
from sheepfold.server.results.checks import inspect as inspect_image
from tests.server.node_api.machine import HARDWARE, png

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
SCENE = (ROOT / "tests/server/projects/scenes/4.2/plain.blend").read_bytes()
BOUNDARY = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'


@dataclass(frozen=True)
class Decoder:
    """A function, what it is given, what it may raise, and how often it is tried."""

    name: str  # module and function
    run: Callable[[Any], object]
    given: st.SearchStrategy[Any]
    raises: tuple[type[Exception], ...] = ()
    examples: int = field(default=150)


def changed(*originals: bytes) -> st.SearchStrategy[bytes]:
    """One of them, with some bytes replaced, cut out or doubled."""
    return st.sampled_from(originals).flatmap(_changed)


def _changed(original: bytes) -> st.SearchStrategy[bytes]:
    edit = st.tuples(st.integers(0, max(0, len(original) - 1)), st.integers(0, 40), st.binary(max_size=12))
    return st.lists(edit, max_size=4).map(lambda edits: _edited(original, edits))


def _edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for at, length, put in edits:
        data = data[:at] + put + data[at + length :]
    return data


def packed(*names: str) -> bytes:
    """A zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, b"BLENDER-v402" + bytes(500))
    return out.getvalue()


def film_frames() -> tuple[bytes, ...]:
    """A small picture in each format that Blender writes."""
    import tempfile

    from tests.server.results.test_decoders import film

    with tempfile.TemporaryDirectory() as folder:
        return tuple(film(Path(folder, f"a.{kind}"), 8, 4).read_bytes() for kind in ("exr", "tif", "hdr", "dpx"))


def with_file(run: Callable[[Path], object], suffix: str = "") -> Callable[[bytes], object]:
    """For functions that read a file; whatever they write beside it goes with the folder."""
    import tempfile

    def on_bytes(data: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"given{suffix}")
            path.write_bytes(data)
            return run(path)

    return on_bytes


def look_into(path: Path) -> object:
    return analyse(path.parent, path.name, [path.name])


def request(data: bytes, headers: dict[bytes, bytes], query: bytes = b"") -> Request:
    """As uvicorn hands it over, in pieces of 7 bytes."""
    pieces = [data[at : at + 7] for at in range(0, len(data), 7)]

    async def receive() -> dict[str, Any]:
        body = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": body, "more_body": bool(pieces)}

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": query, "headers": list(headers.items())}
    return Request(scope, receive)


def receive(body: tuple[bytes, bytes]) -> object:
    async def run() -> object:
        with await receive_file(request(body[1], {b"content-type": body[0]}), 1 << 20) as received:
            return received.fields

    try:
        return asyncio.run(run())
    finally:
        assert list(config().tmp_dir.glob("upload-*")) == []


def read_all_params(query_and_body: tuple[bytes, bytes]) -> object:
    query, body = query_and_body
    form = {b"content-type": b"application/x-www-form-urlencoded"}
    return asyncio.run(all_params(request(body, form, query)))


def fields(*names: str) -> st.SearchStrategy[dict[str, str]]:
    """Parameters, good ones among nonsense."""
    value = st.one_of(st.text(max_size=30), st.sampled_from(["", "0", "-1", "1.5", "9" * 400, "job", "64bit", "\0"]))
    good = st.sampled_from(sorted(HARDWARE.items()))
    pairs = st.one_of(good, st.tuples(st.sampled_from(names), value), st.tuples(st.text(max_size=8), value))
    return st.lists(pairs, max_size=24).map(dict)


def golden(folder: str, start: str) -> tuple[bytes, ...]:
    return tuple(path.read_bytes() for path in sorted((GOLDEN / folder).glob(f"{start}*.xml")))


XML = (BadMessage,)
WORDS = st.text(max_size=200)
WORK = ("computemethod", "cpu_cores", "ram_max", "rendertime_max", "gpu_model", "gpu_ram", "open_leases", "network_dl")
TILE = (
    "job",
    "frame",
    "extras",
    "revision",
    "rendertime",
    "memoryused",
    "type",
    "chunk",
    "cores",
    "paused",
    "render_time",
)
TYPES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"multipart/form-data; boundary=b", b"application/x-www-form-urlencoded", b"multipart/form-data"]),
)
UPLOADS = changed(BOUNDARY + png() + b"\r\n--b--\r\n", b"file=abc&job=1", b"a=b&" * 70)
PICTURES = (png(), *film_frames())
ZIPS = changed(
    packed("a.blend", "lib/b.blend", "x.png"), packed("../a.blend"), packed("a.blend", "a.blend"), SCENE[:3000]
)

DECODERS = (
    Decoder("protocol.safe_xml.parse", lambda data: parse_xml(data, "config"), changed(*golden("answers", "")), XML),
    Decoder(
        "protocol.codec.decode_session_answer", codec.decode_session_answer, changed(*golden("answers", "session")), XML
    ),
    Decoder("protocol.codec.decode_work_answer", codec.decode_work_answer, changed(*golden("answers", "work")), XML),
    Decoder("protocol.codec.decode_cache", codec.decode_cache, changed(*golden("requests", "cache")), XML),
    Decoder(
        "protocol.codec.decode_upload_answer", codec.decode_upload_answer, changed(*golden("answers", "upload")), XML
    ),
    Decoder(
        "protocol.codec.decode_heartbeat_answer",
        codec.decode_heartbeat_answer,
        changed(*golden("answers", "heart")),
        XML,
    ),
    Decoder("protocol.codec.decode_error_answer", codec.decode_error_answer, changed(*golden("answers", "error")), XML),
    Decoder("protocol.codec.decode_speedtest", codec.decode_speedtest, changed(*golden("requests", "speed")), XML),
    Decoder(
        "protocol.params.decode_session_request", params.decode_session_request, fields("hwid", "ui"), (params.Refused,)
    ),
    Decoder("protocol.params.decode_work_request", params.decode_work_request, fields(*WORK)),
    Decoder("protocol.params.decode_archive_request", params.decode_archive_request, fields(*TILE), (params.Refused,)),
    Decoder("protocol.params.decode_binary_request", params.decode_binary_request, fields(*TILE), (params.Refused,)),
    Decoder("protocol.params.decode_chunk_request", params.decode_chunk_request, fields(*TILE), (params.Refused,)),
    Decoder("protocol.params.decode_frame_upload", params.decode_frame_upload, fields(*TILE), (params.Refused,)),
    Decoder("protocol.params.decode_heartbeat", params.decode_heartbeat, fields(*TILE)),
    Decoder("protocol.params.decode_error_report", params.decode_error_report, fields(*TILE)),
    Decoder(
        "protocol.extras.parse_extras", parse_extras, st.one_of(WORDS, WORDS.map("Sheepfold/2 heartbeat=".__add__))
    ),
    Decoder(
        "server.node_api.byte_ranges.parse_range",
        lambda text: parse_range(text, 100),
        st.one_of(WORDS, st.from_regex(r"bytes=\d*-\d*", fullmatch=True)),
        (Unsatisfiable,),
    ),
    Decoder("server.node_api.multipart.receive_file", receive, st.tuples(TYPES, UPLOADS), (BadUpload, TooLarge)),
    Decoder(
        "server.node_api.wire.read_body", read_all_params, st.tuples(st.binary(max_size=80), st.binary(max_size=80))
    ),
    Decoder(
        "server.node_api.wire.session_token_hash",
        lambda data: session_token_hash(request(b"", {b"cookie": data})),
        st.one_of(st.binary(max_size=80), changed(b"sheepfold=abc; path=/; HttpOnly")),
    ),
    Decoder("server.core.redaction.hide_in_text", hide_in_text, st.one_of(WORDS, WORDS.map("a?password=".__add__))),
    Decoder(
        "server.projects.frame_ranges.parse_frames",
        parse_frames,
        st.one_of(WORDS, st.from_regex(r"(\d{1,7}(-\d{1,7}(x\d{1,7})?)?,?){1,8}", fullmatch=True)),
        (BadInput,),
    ),
    Decoder(
        "server.projects.archives.inspect", with_file(lambda path: inspect_upload(path, "a.zip")), ZIPS, (BadArchive,)
    ),
    Decoder("server.projects.analysis.analyse", with_file(look_into, ".blend"), changed(SCENE), (BadArchive,), 40),
    Decoder("server.results.checks.inspect", with_file(inspect_image), changed(*PICTURES)),
    Decoder("server.outputs.encoder.read_image", with_file(read_film_frame), changed(*PICTURES), (BadImage,)),
    Decoder(
        "server.renderers.releases.unpack",
        with_file(lambda path: unpack_renderer(path, path.with_name("out"))),
        changed(packed("blender/blender", "blender/4.2/x")),
        (BadRenderer,),
    ),
    Decoder(
        "server.renderers.builds.read_program",
        with_file(read_program),
        changed(b"\x7fELF\2\1\1" + bytes(100), b"MZ" + bytes(200), b"\xcf\xfa\xed\xfe" + bytes(60)),
    ),
    Decoder("server.renderers.versions.parse_version", parse_version, WORDS, (ValueError,)),
    Decoder(
        "client.unpack.unpack", with_file(lambda path: client_unpack(path, path.with_name("out"))), ZIPS, (UnpackError,)
    ),
    Decoder(
        "client.blender.output.parse_line",
        parse_line,
        st.one_of(
            WORDS,
            changed(b"Fra:1 Mem:8.0M (Peak 9.5M) | Time:00:00.01 | Remaining:00:01.00 | Scene | Sample 1/2").map(
                lambda data: data.decode("latin-1")
            ),
        ),
    ),
    Decoder("client.devices.parse_devices", parse_devices, WORDS),
    Decoder("client.hardware.parse_cpuinfo", parse_cpuinfo, WORDS),
    Decoder("client.hardware.parse_processor", parse_processor, WORDS),
    Decoder("client.idle.parse_ioreg", parse_ioreg, WORDS),
    Decoder("client.schedule.parse_timetable", parse_timetable, WORDS, (ValueError,)),
    Decoder("client.config.parse_size", parse_size, WORDS, (ValueError,)),
    Decoder("client.config.parse_duration", parse_duration, WORDS, (ValueError,)),
)

# names that sound like it and read what the farm or the machine itself wrote, or that a row above calls
OWN = {
    "client.blender.compare.read_pixels",  # what this machine rendered
    "client.config.read_key",
    "client.hardware.read_cpu",
    "client.hardware.read_hardware",
    "commands.simulated_farm.read_books",
    "server.core.local_access.read_local_access",
    "server.pipeline.farm_numbers.read_numbers",
    "server.pipeline.tasks.analyse",
    "server.projects.analysis_process.analyse_apart",
    "server.projects.blend_scene.read_scene",  # by `analyse`
    "server.projects.packing.unpack_blends",  # what `archives.inspect` let through
    "server.results.comparison.read_pixels",  # what `checks.inspect` let through
}
NAMES = (
    "decode_",
    "parse",
    "read_",
    "inspect",
    "unpack",
    "receive_file",
    "session_token_hash",
    "hide_in_text",
    "analyse",
)


def test_every_decoder_has_its_row() -> None:
    found = set()
    for path in (ROOT / "src" / "sheepfold").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT / "src" / "sheepfold").with_suffix("").parts)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(NAMES):
                found.add(f"{module}.{node.name}")
    rows = [one.name for one in DECODERS]
    assert len(rows) == len(set(rows))
    assert found > OWN
    assert found - OWN == set(rows)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of damaged tags, before the image is refused
@pytest.mark.parametrize("decoder", DECODERS, ids=lambda one: one.name)
def test_nothing_but_what_is_promised_is_raised(decoder: Decoder) -> None:
    @settings(
        max_examples=decoder.examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(decoder.given)
    def decode(given: Any) -> None:
        with contextlib.suppress(*decoder.raises):
            decoder.run(given)

    decode()
