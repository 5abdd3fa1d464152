"""XML that wants to hurt, or is none. Every case names the reason and yields nothing."""

import pytest

from sheepfold.protocol import codec, limits
from sheepfold.protocol.codec import BadMessage

MD5 = "0f343b0931126a20f133d67c2b018a3b"
_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BILLION_LAUGHS = f'<!DOCTYPE cache [<!ENTITY l0 "ha">{_LAUGHS}]><cache><file md5="&l9;"/></cache>'.encode()


@pytest.mark.parametrize(
    "data",
    [
        BILLION_LAUGHS,
        b'<!DOCTYPE cache [<!ENTITY f SYSTEM "file:///etc/passwd">]><cache>&f;</cache>',
        b'<!DOCTYPE cache SYSTEM "http://127.0.0.1:9/x.dtd"><cache/>',
        b'<?xml version="1.0"?>\n<!-- hello <cache> --> <?pi x?>\n<!DOCTYPE cache><cache/>',
        b"\xef\xbb\xbf<!DOCTYPE cache><cache/>",
    ],
    ids=["billion-laughs", "file-entity", "network-dtd", "behind-comment", "behind-bom"],
)
def test_document_type_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessage, match="document type"):
        codec.decode_cache(data)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-7"])
def test_document_type_cannot_hide_in_another_encoding(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE config><config status="0"/>'

    with pytest.raises(BadMessage):
        codec.decode_session_answer(text.encode(encoding))


def test_declared_encoding_does_not_count() -> None:
    data = '<?xml version="1.0" encoding="iso-8859-1"?><jobrequest status="200" x="é"/>'.encode()

    assert codec.decode_work_answer(data).status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"<cache>",
        b"<cache></cash>",
        b"<",
        b"<cache/>trailing",
        b'<cache><file md5="&unknown;"/></cache>',
        b'<cache><file md5="a&b"/></cache>',
        b"<cache>\x00</cache>",
        b"<cache>\xff</cache>",
        b'<cache a="1" a="2"/>',
    ],
)
def test_broken_xml_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessage, match="not well-formed XML"):
        codec.decode_cache(data)


def test_another_root_is_refused() -> None:
    with pytest.raises(BadMessage, match="expected the element 'cache', got 'config'"):
        codec.decode_cache(b'<config status="0"/>')


def test_web_page_is_no_session_answer_trap_26() -> None:
    page = b"<html><body><p>Please log in to this network</p></body></html>"

    with pytest.raises(BadMessage, match="expected the element 'config', got 'html'"):
        codec.decode_session_answer(page)


@pytest.mark.parametrize("data", [b"", b"  ", b"OK", b"{}"])
def test_answer_that_is_no_xml_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessage, match="not well-formed XML"):
        codec.decode_upload_answer(data)


def test_depth_is_bounded() -> None:
    deepest = limits.MAX_XML_DEPTH - 1
    nested = b"<a>" * deepest + b"</a>" * deepest

    assert codec.decode_cache(b"<cache>" + nested + b"</cache>") == ()
    with pytest.raises(BadMessage, match="nested deeper than 6 elements"):
        codec.decode_cache(b"<cache><a>" + nested + b"</a></cache>")


def test_nesting_beyond_the_parser_is_refused() -> None:
    with pytest.raises(BadMessage, match="not well-formed XML"):
        codec.decode_cache(b"<cache>" + b"<a>" * 50_000)


def test_size_is_bounded() -> None:
    padding = limits.MAX_XML_BYTES - len(b"<cache></cache>")

    assert codec.decode_cache(b"<cache>" + b" " * padding + b"</cache>") == ()
    with pytest.raises(BadMessage, match="has 262145 bytes, more than the 262144 allowed"):
        codec.decode_cache(b"<cache>" + b" " * (padding + 1) + b"</cache>")


def test_number_of_cached_archives_is_bounded() -> None:
    most = [f"{number:032x}" for number in range(limits.MAX_CACHED_MD5S)]

    assert codec.decode_cache(codec.encode_cache(most)) == tuple(most)
    with pytest.raises(BadMessage, match="2001 cached archives, more than the 2000 allowed"):
        codec.decode_cache(codec.encode_cache([*most, "f" * 32]))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<jobrequest/>", "'jobrequest' lacks the attribute 'status'"),
        (b'<jobrequest status=""/>', "'jobrequest' lacks the attribute 'status'"),
        (b'<jobrequest status="fine"/>', "'status' of 'jobrequest' is not a whole number"),
        (b'<jobrequest status="1e3"/>', "'status' of 'jobrequest' is not a whole number"),
        (b'<jobrequest status="0"/>', "the farm promised a job but sent none"),
        (b'<jobrequest status="0"><job/></jobrequest>', "the job has no 'renderer' element"),
        (b'<jobrequest status="0"><job><renderer/></job></jobrequest>', "'job' lacks the attribute 'id'"),
    ],
)
def test_unusable_work_answer_says_what_is_wrong(data: bytes, reason: str) -> None:
    with pytest.raises(BadMessage, match=reason):
        codec.decode_work_answer(data)


@pytest.mark.parametrize("md5", ["", "short", "../../../../home/ada/.ssh/id_rsa", "g" * 32])
def test_job_whose_archive_is_no_md5_is_refused(md5: str) -> None:
    data = f"""<jobrequest status="0"><job id="42" frame="1" path="a.blend" archive_md5="{md5}">
               <renderer md5="{MD5}" commandline=".e"/></job></jobrequest>"""

    with pytest.raises(BadMessage, match="archive_md5"):
        codec.decode_work_answer(data.encode())


def test_unnamed_statuses_stay_numbers() -> None:
    assert codec.decode_session_answer(b'<config status="999"/>').status == 999
    assert codec.decode_work_answer(b'<jobrequest status="299"/>').status == 299
    assert codec.decode_upload_answer(b'<jobvalidate status="305"/>').status == 305
    assert codec.decode_heartbeat_answer(b'<keepmealive status="7"/>').status == 7
    assert codec.decode_error_answer(b'<error status="5"/>').status == 5
