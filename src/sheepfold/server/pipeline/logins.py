"""A machine comes and goes: authenticate, open a session, log out.

`check_login` and `open_session` are group handlers; between them the edge checks the password off the database thread.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from sheepfold.protocol.extras import Extras, agree, parse_extras, silence_limit
from sheepfold.protocol.generations import Generation, traits_of
from sheepfold.protocol.messages import SessionRequest
from sheepfold.server.accounts.actions import issue_machine_key, record_key_use
from sheepfold.server.accounts.models import RenderKey, User
from sheepfold.server.accounts.queries import credentials_of_key
from sheepfold.server.core.clock import now
from sheepfold.server.core.config import config
from sheepfold.server.core.events import publish
from sheepfold.server.core.switches import oldest_client
from sheepfold.server.core.throttle import record_failure, too_many_attempts
from sheepfold.server.dispatch.actions import hand_over
from sheepfold.server.machines import actions as machines
from sheepfold.server.machines.models import Machine, Session
from sheepfold.server.machines.queries import sessions_of_tokens
from sheepfold.server.pipeline import endings


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """A session request, from which address, and the hash of the cookie it still carries, if any."""

    request: SessionRequest
    address: str
    generation: str
    max_leases: int
    old_token_hash: str | None = None


@dataclass(frozen=True, slots=True)
class LoginCheck:
    """What the database says of a login: a key that fits, or a password hash to be checked, or neither.

    `too_old`: the farm does not take such clients any more, whoever it is.
    """

    user_id: int | None = None
    key_id: int | None = None
    password_hash: str | None = None
    throttled: bool = False
    too_old: bool = False


@dataclass(frozen=True, slots=True)
class Admission:
    """An authenticated login."""

    attempt: LoginAttempt
    user_id: int
    key_id: int | None


@dataclass(frozen=True, slots=True)
class Welcome:
    """An open session: its cookie, the machine's key, and what was agreed with Sheepfold's own client."""

    token: str
    publickey: str
    agreed: Extras | None


def check_login(attempts: Sequence[LoginAttempt]) -> list[LoginCheck]:
    """Keys are decided here; they cannot be guessed, so only passwords are throttled."""
    return [_check(attempt) for attempt in attempts]


def _check(attempt: LoginAttempt) -> LoginCheck:
    if traits_of(Generation(attempt.generation)).since.year < oldest_client():
        return LoginCheck(too_old=True)
    login, password = attempt.request.login, attempt.request.password
    credentials = credentials_of_key(login, password)
    if credentials is not None:
        return LoginCheck(credentials.user.pk, credentials.key.pk if credentials.key else None)
    if too_many_attempts(account=login, address=attempt.address, now=now()):
        return LoginCheck(throttled=True)
    user = User.objects.filter(username=login, is_active=True).first()
    return LoginCheck(user.pk, None, user.password) if user else LoginCheck()


def record_failed_logins(attempts: Sequence[LoginAttempt]) -> list[None]:
    """Count failed logins per account and address."""
    for attempt in attempts:
        record_failure(account=attempt.request.login, address=attempt.address, now=now())
    return [None] * len(attempts)


def open_sessions(admissions: Sequence[Admission]) -> list[Welcome]:
    """Register the machine and open its session; a session that it still had is ended."""
    return [_open(admission) for admission in admissions]


def _open(admission: Admission) -> Welcome:
    moment, attempt, request = now(), admission.attempt, admission.attempt.request
    if attempt.old_token_hash:
        log_out([attempt.old_token_hash])
    user = User.objects.get(pk=admission.user_id)
    fingerprint = machine_fingerprint(request)
    key, publickey = _key(user, admission.key_id, fingerprint, request)
    record_key_use(key=key, now=moment)
    agreed = _agreement(request)
    machine = machines.register_machine(user=user, facts=_machine_facts(request, fingerprint, agreed), now=moment)
    session, token = machines.open_session(machine=machine, key=key, terms=_terms(attempt, agreed), now=moment)
    _replace_earlier_runs(machine, session, request, moment)
    publish(topic="machines", kind="session", reference=str(machine.pk))
    return Welcome(token, publickey, agreed)


def _replace_earlier_runs(machine: Machine, session: Session, request: SessionRequest, moment: datetime) -> None:
    """A client that was killed and started again has lost its tiles, except those whose frames it still has."""
    if not session.instance:
        return
    ended = machines.end_earlier_runs(machine=machine, instance=session.instance, run=session.run, now=moment)
    if ended:
        hand_over(tokens=request.open_tokens or (), came_from=ended, to=session.pk)
        endings.free_leases(where=Q(session_id__in=ended), now=moment)


def _key(user: User, key_id: int | None, fingerprint: str, request: SessionRequest) -> tuple[RenderKey, str]:
    if key_id is not None:  # it logged in with a key: that is its key
        return RenderKey.objects.get(pk=key_id), request.password
    return issue_machine_key(user=user, machine_mark=fingerprint, name=request.hostname)


def _agreement(request: SessionRequest) -> Extras | None:
    wish = parse_extras(request.extras)
    return agree(wish) if wish else None


def _terms(attempt: LoginAttempt, agreed: Extras | None) -> machines.SessionTerms:
    said = parse_extras(attempt.request.extras)
    return machines.SessionTerms(
        generation=attempt.generation,
        version=attempt.request.version,
        own_protocol=agreed.version if agreed else 0,
        max_silence=silence_limit(agreed) if agreed else config().session_silence,
        max_leases=agreed.leases if agreed else attempt.max_leases,
        instance=said.instance if said else "",
        run=said.run if said else "",
    )


def _machine_facts(request: SessionRequest, fingerprint: str, agreed: Extras | None) -> machines.MachineFacts:
    product = "Sheepfold" if agreed else "SheepIt"
    return machines.MachineFacts(
        fingerprint=fingerprint,
        name=request.hostname or "unnamed",
        os=request.os.value,
        bits=request.bits,
        cpu_name=request.cpu_model_name,
        cpu_cores=request.cpu_cores,
        ram_kib=request.ram_kib,
        client=f"{product} {request.version}",
    )


def machine_fingerprint(request: SessionRequest) -> str:
    """Tells a user's machines apart: the hardware id where the client sends one, else name and processor."""
    known = request.hwid if request.hwid and request.hwid != "unknown" else ""
    parts = (known or request.hostname, request.os.value, str(request.bits), request.cpu_model_name)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def log_out(token_hashes: Sequence[str]) -> list[None]:
    """End the sessions and give back what they held."""
    moment = now()
    for session in sessions_of_tokens(token_hashes).values():
        if machines.end_session(session_id=session.id, now=moment):
            endings.free_leases(where=Q(session_id=session.id), now=moment)
            machines.record_stopped(machine_id=session.machine_id)
            publish(topic="machines", kind="session", reference=str(session.machine_id))
    return [None] * len(token_hashes)
