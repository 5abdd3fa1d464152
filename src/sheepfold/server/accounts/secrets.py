"""Secrets of machines and programs: random, shown once, kept as SHA-256.

A plain hash is enough here and argon2 would not help: the secrets have 256 random bits, so nobody guesses them.
"""

import hashlib
import hmac
import secrets

SECRET_BYTES = 32


def new_secret() -> str:
    """43 letters, safe in URLs, XML attributes and headers."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_secret(secret: str) -> str:
    """What is kept of a secret: 64 hex digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def derive_secret(signing_key: str, *parts: str) -> str:
    """The same 64 hex digits for the same parts, unknown to anybody without the signing key."""
    message = "\0".join(parts).encode()
    return hmac.new(signing_key.encode(), message, hashlib.sha256).hexdigest()
