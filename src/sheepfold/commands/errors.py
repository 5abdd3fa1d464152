"""Failures that end a command."""


class CommandError(Exception):
    """Something that the person at the terminal should know. The text says what is wrong and what to do."""
