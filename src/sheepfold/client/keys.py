"""Where the render key lies: in a file that only its owner can read or, if so wished, in the system's keyring."""

from types import ModuleType

from sheepfold.client.config import ConfigError, Settings, read_key

_PROGRAM = "sheepfold"
_SAFE = 1.0  # the priority from which on a keyring of the library's list is one that a system brings along


def find_key(settings: Settings) -> str:
    """This machine's render key. Raises ConfigError."""
    return _from_keyring(settings) if settings.keyring else read_key(settings.key_file)


def _from_keyring(settings: Settings) -> str:
    """A key that lies in the file is new: it moves into the keyring, and the file goes once it is there."""
    library = _library()
    whose = f"{settings.login} at {settings.server}"
    try:
        if settings.key_file.exists():
            key = read_key(settings.key_file)
            library.set_password(_PROGRAM, whose, key)
            if library.get_password(_PROGRAM, whose) == key:
                settings.key_file.unlink()
                return key
        kept = library.get_password(_PROGRAM, whose)
    except library.errors.KeyringError as error:
        raise ConfigError(f"the keyring cannot be used: {error}; with --no-keyring the key lies in a file") from error
    if not kept:
        raise ConfigError(
            f"the keyring has no key of {whose}: write it into {settings.key_file}, from there it is taken"
        )
    return str(kept)


def _library() -> ModuleType:
    try:
        import keyring
    except ImportError as error:
        raise ConfigError("the keyring needs a library: pip install 'sheepfold[keyring]'") from error
    if keyring.get_keyring().priority < _SAFE:
        raise ConfigError(
            "this system has no keyring: with --no-keyring the key lies in a file that you alone can read"
        )
    return keyring
