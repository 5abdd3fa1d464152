"""What is known about renderers."""

from collections.abc import Iterable
from dataclasses import dataclass

from sheepfold.server.renderers.models import Renderer, RendererArchive
from sheepfold.server.renderers.platforms import Platform
from sheepfold.server.renderers.versions import Candidate, Choice, Version, choose, parse_version


@dataclass(frozen=True, slots=True)
class ArchiveFact:
    """One archive. `size` in bytes; `local_only`: of use only on machines with the same Blender installed."""

    platform: Platform
    sha256: str
    md5: str
    size: int
    source: str
    local_only: bool


@dataclass(frozen=True, slots=True)
class RendererFact:
    """One renderer with its archives, by platform."""

    id: int
    version: str
    is_default: bool
    archives: tuple[ArchiveFact, ...]

    def missing(self, platforms: Iterable[Platform]) -> tuple[Platform, ...]:
        """Those of the platforms that it has no archive for."""
        present = {archive.platform for archive in self.archives}
        return tuple(sorted(set(platforms) - present))


def renderers() -> list[RendererFact]:
    """All renderers, the newest first."""
    rows = Renderer.objects.prefetch_related("archives__blob")
    facts = [_fact(row) for row in rows]
    return sorted(facts, key=lambda fact: parse_version(fact.version), reverse=True)


def choose_renderer(wanted: Version) -> Choice:
    """The renderer for a scene of this version, among those with an archive for any platform."""
    rows = Renderer.objects.filter(archives__isnull=False).distinct().values_list("id", "version", "is_default")
    return choose(wanted, [Candidate(row[0], parse_version(row[1]), row[2]) for row in rows])


def archive_for(renderer_id: int, platform: Platform) -> RendererArchive | None:
    """The archive that a machine of this platform needs."""
    rows = RendererArchive.objects.select_related("blob").filter(renderer_id=renderer_id)
    return rows.filter(os=platform.os, bits=platform.bits).first()


def _fact(row: Renderer) -> RendererFact:
    archives = (
        ArchiveFact(
            platform=Platform(archive.os, archive.bits),
            sha256=archive.blob.sha256,
            md5=archive.blob.md5,
            size=archive.blob.size,
            source=archive.source,
            local_only=archive.local_only,
        )
        for archive in row.archives.all()
    )
    ordered = tuple(sorted(archives, key=lambda fact: fact.platform))
    return RendererFact(row.pk, row.version, row.is_default, ordered)
