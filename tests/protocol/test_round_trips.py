"""Whatever one side says, the other side reads the same."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from hypothesis import given
from hypothesis import strategies as st

from sheepfold.protocol import codec, limits, params
from sheepfold.protocol.codec import BadMessage
from sheepfold.protocol.codes import ArchiveKind, ComputeMethod, ErrorKind, Os, UploadStatus, WorkStatus
from sheepfold.protocol.extras import Extras, format_extras, parse_extras
from sheepfold.protocol.messages import (
    ArchiveRequest,
    Chunk,
    ErrorReport,
    FrameUpload,
    Heartbeat,
    Job,
    RendererInfo,
    SessionRequest,
    Stats,
    WorkAnswer,
    WorkRequest,
)

int32 = st.integers(0, limits.MAX_INT32)
ids = st.integers(1, limits.MAX_INT32)
frames = st.integers(0, limits.MAX_FRAME)
seconds = st.integers(0, limits.MAX_SECONDS)
kib = st.integers(1, limits.RAM_READ_AS_BYTES_FROM - 1)
cores = st.integers(1, limits.MAX_CORES)
md5s = st.text("0123456789abcdef", min_size=32, max_size=32)
tokens = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=limits.MAX_TOKEN)
words = st.text("-_.abcXYZ0189", min_size=1, max_size=12).filter(lambda word: word.strip("."))
printable = st.text(st.characters().filter(str.isprintable), max_size=40)
shown = st.text(st.characters().filter(str.isprintable), min_size=1, max_size=40)
# What XML can hold; a carriage return is read back as a line feed.
scripts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff", include_characters="\n\t"),
    min_size=1,
)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    job = Job(
        id=draw(ids),
        frame=draw(frames),
        path="/".join(draw(st.lists(words, min_size=1, max_size=3))),
        archive_md5=draw(md5s),
        renderer=RendererInfo(draw(md5s), " ".join([".e", *draw(st.lists(words, max_size=5))])),
        script=draw(scripts),
        extras=draw(tokens),
        use_gpu=draw(st.booleans()),
        revision=draw(int32),
        name=draw(printable),
        password=draw(printable),
        synchronous_upload=draw(st.booleans()),
        chunks=tuple(draw(st.lists(st.builds(Chunk, tokens, md5s), max_size=3))),
    )
    lease = {"job": job.id, "frame": f"{job.frame:04d}", "extras": job.extras}
    return replace(job, validation_url=f"https://farm.example/send?{urlencode(lease)}")


stats = st.builds(Stats, int32, int32, int32, int32, int32, int32)
session_requests = st.builds(
    SessionRequest,
    login=printable,
    password=printable,
    version=shown,
    os=st.just(Os.LINUX),
    os_sent=st.just("linux"),
    bits=st.sampled_from([32, 64]),
    cpu_family=printable,
    cpu_model=printable,
    cpu_model_name=printable,
    cpu_cores=cores,
    ram_kib=kib,
    hostname=printable,
    extras=printable,
    ui=st.none() | shown,
    headless=st.none() | st.booleans(),
    os_version=st.none() | shown,
    hwid=st.none() | shown,
)
work_requests = st.builds(
    WorkRequest,
    compute_method=st.sampled_from(ComputeMethod),
    cpu_cores=st.none() | cores,
    ram_max_kib=st.none() | kib,
    rendertime_max=st.none() | st.integers(1, limits.MAX_SECONDS),
    gpu_model=st.none() | shown,
    gpu_ram=st.none() | ids,
    gpu_type=st.none() | shown,
    network_download=st.none() | ids,
    network_upload=st.none() | ids,
    cached_md5s=st.lists(md5s, unique=True, max_size=5).map(tuple),
    open_tokens=st.none() | st.lists(st.uuids().map(str), unique=True, max_size=5).map(tuple),
)
uploads = st.builds(
    FrameUpload,
    job=ids,
    frame=frames,
    extras=tokens,
    rendertime=st.integers(0, limits.MAX_SECONDS * 8).map(lambda eighths: eighths / 8),
    revision=st.none() | int32,
    memory_kib=st.none() | kib,
    cores=st.none() | cores,
)
beats = st.builds(
    Heartbeat,
    job=st.none() | ids,
    frame=st.none() | frames,
    extras=st.none() | tokens,
    rendertime=st.none() | seconds,
    remainingtime=st.none() | seconds,
    paused=st.none() | st.booleans(),
)
reports = st.builds(
    ErrorReport,
    kind=st.sampled_from(ErrorKind),
    job=st.none() | ids,
    frame=st.none() | frames,
    extras=st.none() | tokens,
    rendertime=st.none() | seconds,
    memory_kib=st.none() | kib,
)
archives = st.builds(ArchiveRequest, st.sampled_from(ArchiveKind), ids, st.none() | int32)


def over_the_wire(pairs: params.Pairs) -> dict[str, str]:
    return dict(parse_qsl(urlencode(pairs), keep_blank_values=True))


@given(jobs(), stats, st.lists(md5s, max_size=3).map(tuple))
def test_work_answer(job: Job, stats: Stats, delete: tuple[str, ...]) -> None:
    answer = WorkAnswer(WorkStatus.OK, job, stats, delete)

    assert codec.decode_work_answer(codec.encode_work_answer(answer)) == answer


@given(st.lists(md5s, unique=True, max_size=20))
def test_cached_archives(cached: list[str]) -> None:
    assert codec.decode_cache(codec.encode_cache(cached)) == tuple(cached)


@given(session_requests)
def test_session_request(request: SessionRequest) -> None:
    assert params.decode_session_request(over_the_wire(params.encode_session_request(request))) == request


@given(work_requests)
def test_work_request(request: WorkRequest) -> None:
    sent = over_the_wire(params.encode_work_request(request))

    assert params.decode_work_request(sent, codec.encode_cache(request.cached_md5s)) == request


@given(uploads)
def test_frame_upload(upload: FrameUpload) -> None:
    assert params.decode_frame_upload(over_the_wire(params.encode_frame_upload(upload))) == upload


@given(beats)
def test_heartbeat(beat: Heartbeat) -> None:
    assert params.decode_heartbeat(over_the_wire(params.encode_heartbeat(beat))) == beat


@given(reports)
def test_error_report(report: ErrorReport) -> None:
    assert params.decode_error_report(over_the_wire(params.encode_error_report(report))) == report


@given(archives)
def test_archive_request(request: ArchiveRequest) -> None:
    assert params.decode_archive_request(over_the_wire(params.encode_archive_request(request))) == request


@given(st.builds(Extras, st.integers(1, 99), st.integers(0, 10**8), st.integers(0, 10**8)))
def test_extras(extras: Extras) -> None:
    assert parse_extras(format_extras(extras)) == extras


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"<cache>{text}</cache>".encode()))
def test_any_bytes_give_a_list_or_a_bad_message(body: bytes) -> None:
    try:
        cached = codec.decode_cache(body)
    except BadMessage:
        return
    assert all(len(md5) == 32 for md5 in cached)


any_params = st.dictionaries(
    st.sampled_from(["job", "frame", "extras", "rendertime", "type", "memoryused", "paused", "ram_max", "cores"]),
    st.text(max_size=30),
)


@given(any_params)
def test_any_parameters_give_a_message_or_count_as_not_said(parameters: dict[str, str]) -> None:
    assert params.decode_heartbeat(parameters).job != 0
    assert params.decode_error_report(parameters).job != 0
    assert params.decode_work_request(parameters).ram_max_kib != 0


@given(any_params)
def test_any_parameters_give_an_upload_or_a_refusal(parameters: dict[str, str]) -> None:
    assert upload_status(parameters) in (UploadStatus.OK, UploadStatus.MISSING_PARAMETER)


def upload_status(parameters: dict[str, str]) -> int:
    try:
        params.decode_frame_upload(parameters)
    except params.Refused as refusal:
        return refusal.status
    return UploadStatus.OK
