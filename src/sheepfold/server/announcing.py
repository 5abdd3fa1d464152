"""Tells the local network that there is a farm, so that machines find it without being told its address."""

import ipaddress
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil
import structlog
from zeroconf import Error, ServiceInfo, Zeroconf

from sheepfold.protocol.announcement import SERVICE_TYPE, URL
from sheepfold.server.core.config import config

log = structlog.get_logger()

_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  only compared
_FAR_AWAY = ("192.0.2.1", 9)  # an address of nobody: nothing is sent, the system only says how it would get there


@contextmanager
def announced(listening: socket.socket) -> Iterator[None]:
    """Announce the farm until the end of the body, where others can reach it and its operator does not mind.

    A network that does not take part is no reason not to serve.
    """
    host, port = listening.getsockname()[:2]
    addresses = _reachable(host)
    if not config().announce or not addresses:
        yield
        return
    url = config().public_url.rstrip("/") or f"http://{_preferred(addresses)}:{port}"
    with announcement(url, port, addresses, () if host in _EVERYWHERE else (host,)):
        yield


@contextmanager
def announcement(url: str, port: int, addresses: Sequence[str], interfaces: Sequence[str] = ()) -> Iterator[None]:
    """The announcement itself, on these `interfaces` or on all. It is made aside: asking for a free name takes 1 s."""
    try:
        network = Zeroconf(interfaces=list(interfaces)) if interfaces else Zeroconf()
    except OSError as error:
        log.warning("the local network is not told of this farm", reason=str(error))
        yield
        return
    telling = threading.Thread(target=_tell, args=(network, _service(url, port, addresses)), daemon=True)
    telling.start()
    try:
        yield
    finally:
        telling.join()
        network.close()


def _tell(network: Zeroconf, service: ServiceInfo) -> None:
    try:
        network.register_service(service, allow_name_change=True)
    except (OSError, Error) as error:
        log.warning("the local network is not told of this farm", reason=str(error) or type(error).__name__)


def _service(url: str, port: int, addresses: Sequence[str]) -> ServiceInfo:
    name = socket.gethostname().partition(".")[0] or "farm"
    return ServiceInfo(
        SERVICE_TYPE,
        f"Sheepfold at {name} {port}.{SERVICE_TYPE}",
        port=port,
        parsed_addresses=list(addresses),
        properties={URL: url},
        server=f"sheepfold-{name}-{port}.local.",
    )


def _reachable(host: str) -> list[str]:
    """The IPv4 addresses at which others reach what listens at `host`."""
    if host not in _EVERYWHERE:
        return [host] if _is_for_others(host) else []
    found = [one.address for card in psutil.net_if_addrs().values() for one in card if one.family == socket.AF_INET]
    return [address for address in found if _is_for_others(address)]


def _is_for_others(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return parsed.version == 4 and not parsed.is_loopback


def _preferred(addresses: Sequence[str]) -> str:
    """Of several the one by which this machine reaches the world, and not that of some virtual bridge."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_FAR_AWAY)
        except OSError:
            return addresses[0]
        own = probe.getsockname()[0]
    return own if own in addresses else addresses[0]
