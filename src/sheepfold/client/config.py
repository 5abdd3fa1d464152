"""Settings of the client: defaults, settings file, SHEEPFOLD_* variables, flags. What comes later wins."""

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from sheepfold.client.schedule import Timetable, parse_timetable

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)", re.IGNORECASE)
_FACTORS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SECONDS = {"": 1, "S": 1, "M": 60, "H": 3600}


class ConfigError(Exception):
    """The settings cannot be used. The text says which one and what it may be."""


class Ui(StrEnum):
    """How the client shows what it does."""

    LIVE = "live"
    LINE = "line"
    JSON = "json"


class CageChoice(StrEnum):
    """Which cage to put around Blender. AUTO takes the best that works and refuses to render without one."""

    AUTO = "auto"
    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    NONE = "none"


def parse_size(value: object) -> object:
    """`800M`, `2G`, `1.5 GiB` or plain bytes as bytes."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"'{value}' is no size: write one such as 800M or 8G")
    return round(float(match[1]) * _FACTORS[match[2].upper()])


def parse_duration(value: object) -> object:
    """`90`, `90s`, `15m` or `2h` as seconds."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"'{value}' is no time: write one such as 90, 15m or 2h")
    return round(float(match[1]) * _SECONDS[match[2].upper()])


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
Seconds = Annotated[int, BeforeValidator(parse_duration), Field(gt=0)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """Everything that the owner of a machine may decide. `docs/client.md` has the same list."""

    model_config = SettingsConfigDict(env_prefix="SHEEPFOLD_", frozen=True, extra="ignore", env_ignore_empty=True)

    server: str = Field("", description="address of the farm; auto = look on this network")
    login: str = Field("", description="name of your account at the farm")
    key_file: Path = Field(
        default_factory=lambda: config_folder() / "key",
        description="file that holds this machine's render key",
    )
    keyring: bool = Field(False, description="keep the key in this system's keyring; it is taken from the file once")
    cache_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_cache_dir("sheepfold", appauthor=False)) / "client",
        description="folder for archives and unfinished work",
    )
    cache_limit: Size = Field(20 * 1024**3, description="how large the cache may grow; the longest unused goes first")
    cores: Annotated[int, Field(gt=0)] | None = Field(None, description="processor threads to use; all without it")
    memory: Size | None = Field(None, description="memory that a frame may use, such as 8G")
    frame_time: Seconds | None = Field(None, description="longest time for one frame, such as 30m")
    silent_time: Seconds = Field(900, description="a Blender that neither speaks nor works for so long is ended")
    priority: Annotated[int, Field(ge=-20, le=19)] = Field(19, description="19 is the most polite, 0 is normal")
    devices: Words = Field(
        ("cpu",), description="what renders: cpu, gpu, all, or names that `sheepfold client devices` lists"
    )
    blender: str = Field("blender", description="Blender of this machine, asked for its graphics cards")
    hostname: str = Field("", description="name of this machine on the farm's pages")
    proxy: str | None = Field(None, description="proxy for everything, such as http://proxy.example:3128")
    ca_file: Path | None = Field(None, description="certificates to trust instead of the system's")
    bandwidth: Size | None = Field(None, description="bytes a second that transfers may take, such as 2M")
    cage: CageChoice = Field(CageChoice.AUTO, description="cage around Blender")
    readable: Words = Field((), description="more folders that a caged Blender may read, such as its own")
    living: bool = Field(True, description="keep Blender running from frame to frame")
    persistent_data: bool = Field(True, description="let a running Blender keep what does not change between frames")
    prefetch: bool = Field(True, description="ask for the next frame while one renders, where the farm allows it")
    idle_minutes: Annotated[int, Field(ge=0)] = Field(
        0, description="render only after nobody used the machine so long"
    )
    only_on_mains: bool = Field(False, description="render only on mains power")
    not_while: Words = Field((), description="render nothing while one of these programs runs")
    timetable: str = Field("", description="when to render, such as 'mon-fri 20:00-07:00, sat-sun 00:00-24:00'")
    ui: Ui = Field(Ui.LIVE, description="live display, one line, or JSON events")
    log_file: Path | None = Field(None, description="log of the client; kept at 5 MB, three old ones")
    max_frames: Annotated[int, Field(gt=0)] | None = Field(None, description="end after so many frames")

    @field_validator("server")
    @classmethod
    def _check_server(cls, value: str) -> str:
        if value == "auto":
            return value
        if value and not re.match(r"https?://[^/]+", value):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("timetable")
    @classmethod
    def _check_timetable(cls, value: str) -> str:
        parse_timetable(value)
        return value

    @property
    def hours(self) -> Timetable:
        return parse_timetable(self.timetable)


def config_folder() -> Path:
    """Where settings and key of this user lie."""
    return Path(platformdirs.user_config_dir("sheepfold", appauthor=False))


def default_settings_file() -> Path:
    return config_folder() / "client.toml"


def load_settings(flags: Mapping[str, Any] | None = None, file: Path | None = None) -> Settings:
    """Settings from all three places. A named `file` must exist. Raises ConfigError."""
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    path = file or default_settings_file()
    if file is not None and not file.is_file():
        raise ConfigError(f"the settings file {file} does not exist")
    _check_names(path)
    try:
        return _with_file(path)(**given)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(problem) for problem in error.errors())) from error


def read_key(path: Path) -> str:
    """The render key in a file of the owner's. Raises ConfigError when others may read it."""
    try:
        mode = path.stat().st_mode
        key = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise ConfigError(f"there is no key file {path}: make a key on the farm's page and write it there") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the key file {path} cannot be read: {error}") from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"others may read the key file {path}: run `chmod 600 {path}`")
    if not key or "\n" in key:
        raise ConfigError(f"the key file {path} must hold one line: the render key")
    return key


def write_key(path: Path, key: str) -> None:
    """Keep a key where only the owner can read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(f"{key}\n")


def _with_file(path: Path) -> type[Settings]:
    class Loaded(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, path)

    return Loaded


def _check_names(path: Path) -> None:
    if not path.is_file():
        return
    try:
        names = set(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the settings file {path} cannot be read: {error}") from error
    unknown = sorted(names - set(Settings.model_fields))
    if unknown:
        raise ConfigError(f"the settings file {path} has unknown names: {', '.join(unknown)}")


def _explain(problem: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in problem["loc"]) or "settings"
    return f"{name}: {problem['msg'].removeprefix('Value error, ')}"
