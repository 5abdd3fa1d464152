"""Which archive a machine may fetch. `find_archives` is a group handler."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sheepfold.protocol.codes import ArchiveKind
from sheepfold.protocol.generations import Generation, after_scene_download
from sheepfold.protocol.messages import ArchiveRequest
from sheepfold.server.core.clock import now
from sheepfold.server.dispatch.queries import HeldProject, held_projects
from sheepfold.server.machines.actions import record_generation, record_signs_of_life
from sheepfold.server.machines.queries import SessionFacts, is_live, sessions_of_tokens
from sheepfold.server.renderers.models import RendererArchive


@dataclass(frozen=True, slots=True)
class ArchiveQuery:
    """What a session wants: an archive by kind and job, or a chunk by its id (the md5 of a scene archive)."""

    token_hash: str
    wanted: ArchiveRequest | str


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """An archive in the store; size in bytes. `for_own_client`: Sheepfold's client asked for it."""

    sha256: str
    md5: str
    size: int
    for_own_client: bool = False


def find_archives(queries: Sequence[ArchiveQuery]) -> list[StoredArchive | None]:
    """The archive of each query, or None where there is none for this session. A download is a sign of life."""
    moment = now()
    sessions = sessions_of_tokens([query.token_hash for query in queries])
    live = {token: session for token, session in sessions.items() if is_live(session, moment)}
    record_signs_of_life(sessions={(one.id, one.max_silence) for one in live.values()}, now=moment)
    held = held_projects([session.id for session in live.values()])
    return [_asked(live.get(query.token_hash), query.wanted, held) for query in queries]


def _asked(
    session: SessionFacts | None, wanted: ArchiveRequest | str, held: dict[int, list[HeldProject]]
) -> StoredArchive | None:
    found = _find(session, wanted, held.get(session.id, ())) if session else None
    return replace(found, for_own_client=session.own_protocol > 0) if session and found else None


def _find(session: SessionFacts, wanted: ArchiveRequest | str, held: Sequence[HeldProject]) -> StoredArchive | None:
    if isinstance(wanted, str):
        return _scene(next((one for one in held if one.md5 == wanted), None))
    project = next((one for one in held if one.id == wanted.job), None)
    if wanted.kind == ArchiveKind.RENDERER:
        return _renderer(session, project) if project else None
    _learn_generation(session, wanted)
    if project is not None and wanted.revision not in (None, project.revision):
        return None
    return _scene(project)


def _learn_generation(session: SessionFacts, wanted: ArchiveRequest) -> None:
    """Clients to 2016-10 name the revision of the scene."""
    known = Generation(session.generation)
    learned = after_scene_download(known, () if wanted.revision is None else ("revision",))
    if learned is not known:
        record_generation(session_id=session.id, generation=learned)


def _scene(project: HeldProject | None) -> StoredArchive | None:
    if project is None or project.sha256 is None or project.md5 is None or project.size is None:
        return None
    return StoredArchive(project.sha256, project.md5, project.size)


def _renderer(session: SessionFacts, project: HeldProject) -> StoredArchive | None:
    archives = RendererArchive.objects.filter(renderer=project.renderer_id, os=session.os, bits=session.bits)
    found = archives.select_related("blob").first()
    return StoredArchive(found.blob.sha256, found.blob.md5, found.blob.size) if found and found.blob else None
