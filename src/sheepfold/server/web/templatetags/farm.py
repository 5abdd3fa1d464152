"""Words and pictures that templates need: sizes, durations, icons, addresses of static files."""

from datetime import datetime
from functools import lru_cache
from pathlib import Path

from django import template
from django.forms import BoundField, CheckboxInput
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from sheepfold.server.core.clock import now

register = template.Library()
ICONS = Path(__file__).parent.parent / "icons"
STEPS_OF_BYTES = ("B", "KiB", "MiB", "GiB", "TiB")


@register.simple_tag
def asset(path: str) -> str:
    """The address of a static file; the version in it lets browsers keep it for good."""
    return static(path)


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of ours, drawn in the colour of the text. Decoration only: a word always stands beside it."""
    return _icon(name)


@lru_cache
def _icon(name: str) -> SafeString:
    return mark_safe((ICONS / f"{name}.svg").read_text().strip())  # noqa: S308  our own files


@register.filter
def duration(seconds: float | None) -> str:
    """`42 s`, `3 min 20 s`, `5 h 10 min`, `3 d 4 h`; a dash for nothing known."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


@register.filter
def size(count: int | None) -> str:
    """Bytes as a person reads them, e.g. `3.4 MiB`."""
    if count is None:
        return "–"
    value = float(count)
    for unit in STEPS_OF_BYTES[:-1]:
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} {STEPS_OF_BYTES[-1]}"


@register.filter
def memory(kib: int | None) -> str:
    """KiB as a person reads them."""
    return size(None if kib is None else kib * 1024)


@register.filter
def points(millipoints: int | None) -> str:
    """Thousandths of a point, e.g. `1,204.5`."""
    return "–" if millipoints is None else f"{millipoints / 1000:,.1f}"


@register.filter
def ago(moment: datetime | None) -> str:
    """How long ago, e.g. `3 min ago`."""
    if moment is None:
        return "never"
    seconds = max(0.0, (now() - moment).total_seconds())
    if seconds < 60:
        return "just now" if seconds < 10 else f"{seconds:.0f} s ago"
    for limit, unit in ((3600, 60), (86400, 3600)):
        if seconds < limit:
            return f"{seconds // unit:.0f} {'min' if unit == 60 else 'h'} ago"
    return f"{seconds // 86400:.0f} d ago"


STATES = {
    "uploading": ("busy", "uploading"),
    "analysing": ("busy", "being looked at"),
    "rejected": ("bad", "cannot be rendered"),
    "ready": ("", "ready to start"),
    "rendering": ("busy", "rendering"),
    "paused": ("", "paused"),
    "finished": ("good", "finished"),
    "cancelled": ("", "cancelled"),
    "blocked": ("bad", "blocked"),
}


@register.simple_tag
def state(status: str) -> SafeString:
    """The status of a project in words, with a dot of its colour."""
    look, words = STATES[status]
    return format_html('<span class="state {}">{}</span>', look, words)


@register.simple_tag
def percent(part: int, whole: int) -> str:
    """Of a whole, with two digits, for the width of a bar."""
    return f"{100 * part / whole:.2f}" if whole else "0"


@register.filter
def item(mapping: dict[int, object], key: int) -> object | None:
    """What a mapping has under a key."""
    return mapping.get(key)


@register.filter
def is_checkbox(field: BoundField) -> bool:
    """Whether its label stands behind it."""
    return isinstance(field.field.widget, CheckboxInput)
