"""Every change of machines and sessions."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from sheepfold.protocol.codes import OwnerWish
from sheepfold.protocol.extras import STEERED_FROM
from sheepfold.server.accounts.models import RenderKey, User
from sheepfold.server.accounts.secrets import hash_secret, new_secret
from sheepfold.server.core.statements import change, numbers, stored
from sheepfold.server.machines.models import (
    ASKED,
    LIVE_STATUSES,
    STOPPING,
    BlockedProject,
    Device,
    Machine,
    Session,
    SessionStatus,
    StopWish,
)
from sheepfold.server.machines.queries import Offered


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What a machine says of itself at login. Memory in KiB."""

    fingerprint: str
    name: str
    os: str
    bits: int
    cpu_name: str
    cpu_cores: int
    ram_kib: int
    client: str


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """How the farm treats a session. `max_silence` in seconds; `own_protocol` 0 means a foreign client.

    `instance`, `run`: which folder and which start of Sheepfold's client it is; empty: it did not say.
    """

    generation: str
    version: str
    own_protocol: int
    max_silence: int
    max_leases: int
    instance: str = ""
    run: str = ""


def register_machine(*, user: User, facts: MachineFacts, now: datetime) -> Machine:
    """The machine's row, made at its first login and brought up to date at each."""
    machine, _ = Machine.objects.update_or_create(
        user=user,
        fingerprint=facts.fingerprint,
        defaults={
            "name": facts.name[:100],
            "os": facts.os,
            "bits": facts.bits,
            "cpu_name": facts.cpu_name[:200],
            "cpu_cores": facts.cpu_cores,
            "ram_kib": facts.ram_kib,
            "client": facts.client[:60],
            "seen_at": now,
        },
    )
    return machine


def open_session(*, machine: Machine, key: RenderKey | None, terms: SessionTerms, now: datetime) -> tuple[Session, str]:
    """A new session and its token, which goes to the machine as a cookie and is kept as a hash only."""
    token = new_secret()
    Machine.objects.filter(pk=machine.pk, wish=StopWish.STOPPED).update(wish=StopWish.NONE)
    disabled = bool(machine.disabled_reason)
    session = Session.objects.create(
        machine=machine,
        key=key,
        token_hash=hash_secret(token),
        status=SessionStatus.DISABLED if disabled else SessionStatus.ACTIVE,
        generation=terms.generation,
        version=terms.version[:40],
        own_protocol=terms.own_protocol,
        max_silence=terms.max_silence,
        max_leases=terms.max_leases,
        instance=terms.instance,
        run=terms.run,
        started_at=now,
        heard_at=now,
        expires_at=now + timedelta(seconds=terms.max_silence),
    )
    return session, token


def record_signs_of_life(*, sessions: Iterable[tuple[int, int]], now: datetime) -> None:
    """Sessions, as (id, max_silence), were heard of. One statement per length of silence."""
    by_silence: dict[int, list[int]] = defaultdict(list)
    for session_id, max_silence in sessions:
        by_silence[max_silence].append(session_id)
    for max_silence, ids in by_silence.items():
        until = now + timedelta(seconds=max_silence)
        change(_HEARD.format(ids=numbers(ids)), [stored(now), stored(until)])


_HEARD = "UPDATE machines_session SET heard_at = %s, expires_at = %s WHERE id IN ({ids})"


def record_generation(*, session_id: int, generation: str) -> None:
    """A later request told more about the session's client than its login did."""
    Session.objects.filter(pk=session_id).update(generation=generation)


def expire_sessions(*, now: datetime) -> list[int]:
    """End the sessions that were silent too long. Returns their ids, so that their leases can be ended."""
    silent = Session.objects.filter(status__in=LIVE_STATUSES, expires_at__lt=now)
    return _end(list(silent.values_list("id", flat=True)), SessionStatus.EXPIRED, now, silent_before=now)


def end_session(*, session_id: int, now: datetime) -> bool:
    """The machine logged out. False if the session had ended before."""
    return bool(_end([session_id], SessionStatus.ENDED, now))


def end_earlier_runs(*, machine: Machine, instance: str, run: str, now: datetime) -> list[int]:
    """End the sessions of this client's earlier starts: it has lost what it held. Returns their ids."""
    earlier = Session.objects.filter(machine=machine, instance=instance, status__in=LIVE_STATUSES).exclude(run=run)
    return _end(list(earlier.values_list("id", flat=True)), SessionStatus.ENDED, now)


def _end(ids: Sequence[int], status: SessionStatus, now: datetime, silent_before: datetime | None = None) -> list[int]:
    ended = []
    for session_id in ids:  # one by one: a sign of life may come between, and then this session goes on
        rows = Session.objects.filter(pk=session_id, status__in=LIVE_STATUSES)
        if silent_before is not None:
            rows = rows.filter(expires_at__lt=silent_before)
        if rows.update(status=status, ended_at=now):
            ended.append(session_id)
    return ended


def count_frames(*, session_ids: Iterable[int]) -> None:
    """Frames of these sessions were accepted, one for each time that an id is named. One statement per count."""
    by_count: dict[int, list[int]] = defaultdict(list)
    for session_id, number in Counter(session_ids).items():
        by_count[number].append(session_id)
    for number, ids in by_count.items():
        change(_COUNT.format(ids=numbers(ids)), [number])


_COUNT = "UPDATE machines_session SET frames_done = frames_done + %s WHERE id IN ({ids})"


def disable_machine(*, machine_id: int, reason: str) -> None:
    """The farm gives this machine no more work (status 203) until somebody enables it."""
    Machine.objects.filter(pk=machine_id).update(disabled_reason=reason)
    Session.objects.filter(machine_id=machine_id, status__in=(SessionStatus.ACTIVE, SessionStatus.PAUSED)).update(
        status=SessionStatus.DISABLED
    )


def enable_machine(*, machine_id: int) -> None:
    """Give the machine work again."""
    Machine.objects.filter(pk=machine_id).update(disabled_reason="")
    Session.objects.filter(machine_id=machine_id, status=SessionStatus.DISABLED).update(status=SessionStatus.ACTIVE)


def pause_machine(*, machine_id: int) -> None:
    """No new tile after the one it renders."""
    Machine.objects.filter(pk=machine_id).update(paused=True)


def resume_machine(*, machine_id: int) -> None:
    """Give it tiles again."""
    if Machine.objects.filter(pk=machine_id, paused=True).update(paused=False):
        _ask_to_go_on(machine_id)


def stop_machine(*, machine_id: int, wish: StopWish) -> bool:
    """Tell its client to end. False where none runs that can be told; then nothing changes."""
    told = _steered_sessions().filter(machine=OuterRef("pk"))
    return bool(Machine.objects.filter(Exists(told), pk=machine_id).update(wish=wish))


def withdraw_stop(*, machine_id: int) -> bool:
    """Take the wish back. False if there is none any more: the client may have ended meanwhile."""
    withdrawn = bool(Machine.objects.filter(pk=machine_id, wish__in=STOPPING).update(wish=StopWish.NONE))
    if withdrawn:
        _ask_to_go_on(machine_id)
    return withdrawn


def _ask_to_go_on(machine_id: int) -> None:
    """Its client has yet to say that it heard."""
    _steered_sessions().filter(machine_id=machine_id).update(obeys=ASKED)


def _steered_sessions() -> QuerySet[Session]:
    """Those whose clients can be told what the owner wants."""
    return Session.objects.filter(status__in=LIVE_STATUSES, own_protocol__gte=STEERED_FROM)


def record_stopped(*, machine_id: int) -> bool:
    """The wish is fulfilled, if there was one and no client is left on the machine."""
    left = Session.objects.filter(machine=OuterRef("pk"), status__in=LIVE_STATUSES)
    rows = Machine.objects.filter(~Exists(left), pk=machine_id, wish__in=STOPPING)
    return bool(rows.update(wish=StopWish.STOPPED))


def record_obeyed(*, session_id: int, wish: OwnerWish) -> None:
    """Its client says what it does now, by its owner's wish on the site or at the machine."""
    Session.objects.filter(pk=session_id).update(obeys=wish)


def allow_project(*, machine_id: int, project_id: int) -> None:
    """It may get tiles of this project again."""
    BlockedProject.objects.filter(machine_id=machine_id, project_id=project_id).delete()


def block_project(*, machine_id: int, project_id: int, reason: str) -> None:
    """This machine gets nothing of this project any more."""
    BlockedProject.objects.get_or_create(
        machine_id=machine_id, project_id=project_id, defaults={"reason": reason[:300]}
    )


def record_offer(*, session_id: int, machine_id: int, offer: Offered) -> None:
    """What a job request said that the machine can do now. Without a GPU it offers none any more."""
    Session.objects.filter(pk=session_id).update(
        compute_method=offer.compute_method, cores=offer.cores, ram_max_kib=offer.ram_max_kib
    )
    Machine.objects.filter(pk=machine_id).exclude(gpu_name=offer.gpu_name).update(gpu_name=offer.gpu_name)


def record_power(*, machine_id: int, device: Device, power: float) -> None:
    """What the machine's test frame showed, in per cent of the reference computer."""
    column = "cpu_power" if device is Device.CPU else "gpu_power"
    Machine.objects.filter(pk=machine_id).update(**{column: power})
