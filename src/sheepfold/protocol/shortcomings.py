"""What a generation of clients cannot do, in words for the owner of a machine. Pure."""

from sheepfold.protocol.codes import WorkStatus
from sheepfold.protocol.generations import Generation, Traits, Upload, traits_of


def shortcomings(generation: Generation) -> tuple[str, ...]:
    """Sentences, the gravest first; empty for a client that can do all."""
    traits = traits_of(generation)
    return tuple(words for lacks, words in _checks(traits) if lacks)


def _checks(traits: Traits) -> tuple[tuple[bool, str], ...]:
    return (
        (traits.uploads is Upload.NEVER, "It never sends its frames: they are rendered again by other machines."),
        (not traits.sets_executable_bit, "It can start Blender on Windows only."),
        (not traits.decrypts, "It cannot open encrypted scenes, so it gets nothing of private projects."),
        (not traits.obeys_stop, "It cannot be stopped: it finishes a frame that nobody wants any more."),
        (not traits.reports_errors, "It reports no errors: a failed frame is noticed only when its time is over."),
        (traits.open_tiles == 1, "It fetches the next frame only when the last one is uploaded."),
        (WorkStatus.MAINTENANCE not in traits.work_statuses, "It does not know maintenance: it sees no work instead."),
    )
