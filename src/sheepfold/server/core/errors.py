"""Failures that a caller is expected to meet. Each carries the HTTP status that an edge answers with."""


class FarmError(Exception):
    """An expected failure. The message says what is wrong and what to do."""

    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadInput(FarmError):
    """What was sent cannot be used."""

    status = 422


class NotFound(FarmError):
    """No such thing, or none that the asker may know of."""

    status = 404


class Forbidden(FarmError):
    """The asker may see it, but not do this."""

    status = 403


class Conflict(FarmError):
    """The thing is not in a state that allows this."""

    status = 409


class TooManyAttempts(FarmError):
    """Throttled; try again later."""

    status = 429


class Unavailable(FarmError):
    """Something that the farm depends on does not answer now."""

    status = 503
