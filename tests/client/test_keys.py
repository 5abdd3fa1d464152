"""The render key in the system's keyring: moved there from its file, found there, and never lost on the way.

The keyring is one of the library's own kind that keeps its entries in memory: a system's real one asks its owner.
"""

from collections.abc import Callable, Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked, PasswordSetError

from sheepfold.client.config import ConfigError, Settings, write_key
from sheepfold.client.keys import find_key

FARM = "https://farm.example"
WHOSE = f"anna at {FARM}"


class Memory(KeyringBackend):
    """A keyring for one test."""

    priority = 5.0  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password


class Locked(Memory):
    """Its owner has not opened it."""

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("nobody has unlocked it")


class Full(Memory):
    """Takes nothing more."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise PasswordSetError("no room")


class Forgetful(Memory):
    """Says that it keeps what it does not keep."""

    def set_password(self, service: str, username: str, password: str) -> None:
        pass


@pytest.fixture(autouse=True)
def _own_keyring() -> Iterator[None]:
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


@pytest.fixture
def wished(settings: Callable[..., Settings]) -> Settings:
    """Somebody wants the keyring; the key lies in its file still."""
    return settings(FARM, keyring=True)


def use(backend: KeyringBackend) -> None:
    keyring.set_keyring(backend)


def test_key_moves_into_the_keyring_and_is_found_there(wished: Settings) -> None:
    memory = Memory()
    use(memory)
    assert find_key(wished) == "secret"
    assert memory.entries == {("sheepfold", WHOSE): "secret"}
    assert not wished.key_file.exists()
    assert find_key(wished) == "secret"


def test_new_key_in_the_file_replaces_the_kept_one(wished: Settings) -> None:
    memory = Memory()
    use(memory)
    find_key(wished)
    write_key(wished.key_file, "newer")
    assert find_key(wished) == "newer"
    assert memory.entries == {("sheepfold", WHOSE): "newer"}


def test_without_the_wish_the_keyring_is_left_alone(settings: Callable[..., Settings]) -> None:
    memory = Memory()
    use(memory)
    plain = settings(FARM)
    assert find_key(plain) == "secret"
    assert (memory.entries, plain.key_file.exists()) == ({}, True)


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        (fail.Keyring, "this system has no keyring"),
        (null.Keyring, "this system has no keyring"),
        (Locked, "nobody has unlocked it"),
        (Full, "no room"),
        (Forgetful, "the keyring has no key of anna at"),
    ],
)
def test_key_stays_in_its_file_where_the_keyring_does_not_take_it(
    wished: Settings, backend: type[KeyringBackend], words: str
) -> None:
    use(backend())
    with pytest.raises(ConfigError, match=words) as refused:
        find_key(wished)
    assert "secret" not in str(refused.value)
    assert wished.key_file.read_text() == "secret\n"


def test_what_to_do_without_a_key_is_said(wished: Settings) -> None:
    use(Memory())
    wished.key_file.unlink()
    with pytest.raises(ConfigError, match=r"write it into .*key, from there it is taken"):
        find_key(wished)


def test_key_that_others_may_read_is_not_taken(wished: Settings) -> None:
    memory = Memory()
    use(memory)
    wished.key_file.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read the key file"):
        find_key(wished)
    assert (memory.entries, wished.key_file.exists()) == ({}, True)
