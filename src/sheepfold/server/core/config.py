"""Settings of the server: environment variables `SHEEPFOLD_*` over the defaults of a small farm.

Everything works with none of them set. `docs/operating.md` lists them all; a test keeps that list complete.
"""

import contextlib
import os
import secrets
import tempfile
from enum import StrEnum
from functools import cached_property, lru_cache
from pathlib import Path

import platformdirs
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from sheepfold.protocol.limits import FOREIGN_SILENCE


class SignUp(StrEnum):
    """Who may make an account."""

    OPEN = "open"
    INVITATION = "invitation"
    CLOSED = "closed"


class Verify(StrEnum):
    """Which machines' frames are rendered again by others to verify them."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class ServerConfig(BaseSettings):
    """What an operator may set."""

    model_config = SettingsConfigDict(env_prefix="SHEEPFOLD_", extra="ignore", frozen=True)

    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("sheepfold"),
        description="Folder of the database, the blobs and the secret.",
    )
    database_url: str = Field("", description="postgresql://… ; empty: SQLite in the data folder.")
    storage_url: str = Field("", description="s3://bucket/prefix ; empty: the data folder.")
    storage_endpoint: str = Field("", description="URL of an S3 server other than Amazon's.")
    storage_region: str = Field("us-east-1", description="Region of the bucket.")
    storage_key_id: str = Field("", description="Access key of the bucket.")
    storage_secret: SecretStr = Field(SecretStr(""), description="Secret key of the bucket.")
    storage_direct: bool = Field(
        False, description="Machines can reach the S3 server: clients that can fetch large files from it themselves."
    )
    secret_key: SecretStr = Field(SecretStr(""), description="Signs cookies; empty: made once, kept in data.")
    public_url: str = Field("", description="How people and machines reach the farm; empty: as they asked.")
    hosts: str = Field("*", description="Host names that are answered, with commas between; * is every one.")
    trusted_proxies: str = Field(
        "", description="Addresses of reverse proxies whose X-Forwarded-For is believed, with commas between."
    )
    signup: SignUp = Field(SignUp.INVITATION, description="open, invitation or closed.")
    mail_url: str = Field("", description="smtp://user:password@host:port ; empty: mails go to the log.")
    mail_from: str = Field("sheepfold@localhost", description="Sender of mails.")
    session_silence: int = Field(
        1200,
        ge=FOREIGN_SILENCE,
        description="Seconds of silence before another client's session ends (18 min at least).",
    )
    lease_hours: float = Field(24, gt=0, description="The longest time that one tile may take, in hours.")
    upload_limit_mib: int = Field(8192, ge=1, description="Largest scene that can be uploaded, in MiB.")
    image_limit_mib: int = Field(512, ge=1, description="Largest rendered image, in MiB.")
    verify: Verify = Field(
        Verify.AUTO,
        description="Whether others render some frames again to find wrong ones: auto (of machines that work for other"
        " people, once three people have machines connected), on (of all machines) or off.",
    )
    announce: bool = Field(
        True,
        description="Tell the local network of the farm, so that clients find it (`serve` on another address than this"
        " machine's own).",
    )
    drain_seconds: float = Field(
        0, ge=0, description="How long a process that shall end still answers, while /readyz says 503."
    )
    metrics_token: SecretStr = Field(
        SecretStr(""), description="Lets others than this machine itself read /metrics, as a bearer token."
    )
    debug: bool = Field(False, description="Show tracebacks in the browser. Never on a public farm.")

    @cached_property
    def tmp_dir(self) -> Path:
        """Files that may vanish at any restart."""
        return self.data_dir / "tmp"


@lru_cache(maxsize=1)
def config() -> ServerConfig:
    """The settings of this process, read once."""
    settings = ServerConfig()
    settings.tmp_dir.mkdir(parents=True, exist_ok=True)
    return settings


def secret_key() -> str:
    """The signing secret: as set, else made once and kept beside the data with owner-only rights."""
    configured = config().secret_key.get_secret_value()
    return configured or _kept_secret(config().data_dir / "secret")


def _kept_secret(path: Path) -> str:
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(48))
    return path.read_text()


def _write_once(path: Path, text: str) -> None:
    """Two processes may start at once: the link makes one of them win, with the whole text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # made with owner-only rights
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    Path(draft).unlink()
