"""Session creation and logout."""

import asyncio
import os
from dataclasses import replace

import structlog
from django.contrib.auth.hashers import check_password, make_password
from starlette.requests import Request
from starlette.responses import Response

from sheepfold.protocol import codec, limits
from sheepfold.protocol.codes import ConfigStatus, EndpointKind
from sheepfold.protocol.extras import format_extras
from sheepfold.protocol.generations import recognise, traits_of
from sheepfold.protocol.messages import Endpoint, SessionAnswer
from sheepfold.protocol.params import Refused, decode_session_request
from sheepfold.server.node_api.counters import LOGINS, count
from sheepfold.server.node_api.desk import Desk
from sheepfold.server.node_api.wire import (
    all_params,
    client_address,
    session_token_hash,
    with_session_cookie,
    xml_answer,
)
from sheepfold.server.pipeline.logins import (
    Admission,
    LoginAttempt,
    LoginCheck,
    check_login,
    log_out,
    open_sessions,
    record_failed_logins,
)

log = structlog.get_logger()

# Clients of 2015 call this path for heartbeats whatever the answer says, so it is the real one for all.
HEARTBEAT_PATH = "/server/keepmealive.php"
ENDPOINTS = (
    Endpoint(EndpointKind.VALIDATE_JOB, "/server/send_frame.php"),
    Endpoint(EndpointKind.REQUEST_JOB, "/server/request_job.php"),
    Endpoint(EndpointKind.DOWNLOAD_ARCHIVE, "/server/archive.php"),
    Endpoint(EndpointKind.DOWNLOAD_BINARY, "/server/binary.php"),
    Endpoint(EndpointKind.DOWNLOAD_CHUNK, "/server/chunk.php"),
    Endpoint(EndpointKind.ERROR, "/server/error.php"),
    Endpoint(EndpointKind.KEEP_ALIVE, HEARTBEAT_PATH, limits.FOREIGN_MAX_PERIOD),
    Endpoint(EndpointKind.LOGOUT, "/server/logout.php"),
    Endpoint(EndpointKind.SPEEDTEST_ANSWER, "/server/speedtest.php"),
)
UNNUMBERED = "unnumbered"  # Java clients that somebody built by hand send an empty version
# A hash that no password fits: an unknown name must take as long as a wrong password.
_NOBODY = make_password(os.urandom(16).hex())


async def create_session(request: Request, desk: Desk) -> Response:
    """`config`: who are you, what can you do; here is your session."""
    params, _ = await all_params(request)
    user_agent = request.headers.get("user-agent", "")
    if user_agent.startswith("Java/") and params.get("version") == "":
        params["version"] = UNNUMBERED
    try:
        message = decode_session_request(params)
    except Refused as refusal:
        return _refused(refusal.status, refusal.reason)
    generation = recognise(params, request.method, user_agent)
    attempt = LoginAttempt(
        request=message,
        address=client_address(request),
        generation=generation.value,
        max_leases=traits_of(generation).open_tiles,
        old_token_hash=session_token_hash(request),
    )
    check = await desk.commits.run(check_login, attempt)
    if check.too_old:
        return _refused(ConfigStatus.CLIENT_TOO_OLD, f"the farm takes no {generation} any more")
    if not await _fits(check, message.password):
        if not check.throttled:
            await desk.commits.run(record_failed_logins, attempt)
        return _refused(ConfigStatus.AUTHENTICATION_FAILED, "throttled" if check.throttled else "wrong credentials")
    return await _welcome(desk, Admission(attempt, check.user_id or 0, check.key_id))


async def _fits(check: LoginCheck, password: str) -> bool:
    if check.throttled:
        return False
    if check.key_id is not None:
        return True
    fits = await asyncio.to_thread(check_password, password, check.password_hash or _NOBODY)
    return fits and check.user_id is not None


async def _welcome(desk: Desk, admission: Admission) -> Response:
    welcome = await desk.commits.run(open_sessions, admission)
    count(LOGINS, ConfigStatus.OK)
    answer = SessionAnswer(ConfigStatus.OK, publickey=welcome.publickey, endpoints=ENDPOINTS)
    if welcome.agreed is not None:
        answer = replace(answer, extras=format_extras(welcome.agreed))
    return with_session_cookie(xml_answer(codec.encode_session_answer(answer)), welcome.token)


def _refused(status: ConfigStatus | int, reason: str) -> Response:
    count(LOGINS, status)
    log.info("session refused", status=int(status), reason=reason)
    return xml_answer(codec.encode_session_answer(SessionAnswer(status)))


async def end_session(request: Request, desk: Desk) -> Response:
    """`logout`: give back what the session held. Clients ignore the answer."""
    token_hash = session_token_hash(request)
    if token_hash is not None:
        await desk.commits.run(log_out, token_hash)
    return xml_answer(b"<logout/>")


async def take_speedtest(request: Request, desk: Desk) -> Response:
    """`speedtest-answer`: must be 200, or a client of 2022 cannot log in."""
    return xml_answer(b"<speedtest/>")
