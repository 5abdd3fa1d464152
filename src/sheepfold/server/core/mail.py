"""Where mails go: an SMTP server by URL, or the log."""

from typing import Any
from urllib.parse import unquote, urlsplit


def mail_settings(url: str, sender: str) -> dict[str, Any]:
    """Django's EMAIL_* settings for `smtp://user:password@host:port` (`smtps://`: TLS from the start)."""
    common: dict[str, Any] = {"DEFAULT_FROM_EMAIL": sender}
    if not url:
        return common | {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    parts = urlsplit(url)
    return common | {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if parts.scheme == "smtps" else 25),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
    }
