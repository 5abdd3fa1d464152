"""Keeps secrets out of logs. Pure.

The protocol lets `login` and `password` travel in a query string, and a request's path ends up in many messages, so
secrets are looked for by field name and inside every text.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

HIDDEN = "hidden"
SECRET_FIELDS = frozenset(
    {
        "login", "password", "passwd", "key", "render_key", "publickey", "secret", "secret_key", "token", "extras",
        "cookie", "cookies", "set-cookie", "authorization", "x-csrftoken", "csrfmiddlewaretoken", "sessionid",
        "phpsessid", "x-amz-signature",
    }
)  # fmt: skip

_NAMES = "|".join(sorted(SECRET_FIELDS, key=len, reverse=True))
# `password=…` in a query string or form, `"password": "…"` in JSON or a dict's text, `Cookie: …` in a header
_PAIR = re.compile(rf"""(?i)(?<![\w-])({_NAMES})=([^&;\s"'<>)\]}}]+)""")
_ENCODED = re.compile(rf"""(?i)(%3F|%26)({_NAMES})%3D((?!%26)[^&;\s"'<>)\]}}])+""")  # a query inside another
_QUOTED = re.compile(rf"""(?i)(["'])({_NAMES})\1(\s*[:=,]\s*b?)(["'])(?:\\.|(?!\4).)*\4""")
# Links that let somebody in (`/s/…/`, `/invitations/…/`) carry a random secret as a part of their path; hex is a hash
_LINK = re.compile(r"/(?![0-9a-fA-F]+(?![\w-]))[\w-]{32,}(?![\w.-])")
_HEADER = re.compile(r"(?i)(?<![\w-])((?:set-)?cookie|authorization)(:\s*)[^\r\n]+")


def hide_in_text(text: str) -> str:
    """The text with the values of secrets replaced."""
    text = _QUOTED.sub(rf"\1\2\1\3\4{HIDDEN}\4", text)
    text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    text = _ENCODED.sub(rf"\1\2%3D{HIDDEN}", text)
    text = _LINK.sub(f"/{HIDDEN}", text)
    return _PAIR.sub(rf"\1={HIDDEN}", text)


def hide(value: Any) -> Any:
    """The same for whatever a log event may hold."""
    if isinstance(value, str):
        return hide_in_text(value)
    if isinstance(value, bytes):
        return hide_in_text(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return {name: HIDDEN if _is_secret(name) else hide(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [hide(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return hide_in_text(str(value))


def hide_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor; its own fields, which begin with `_`, stay."""
    return {
        name: value if name.startswith("_") else HIDDEN if _is_secret(name) else hide(value)
        for name, value in event.items()
    }


def _is_secret(name: object) -> bool:
    return str(name).lower() in SECRET_FIELDS
