"""Finds farms on the local network, where nothing had to be configured."""

import threading
import time

from zeroconf import ServiceBrowser, ServiceListener, Zeroconf

from sheepfold.protocol.announcement import SERVICE_TYPE, URL

_OTHERS_SECONDS = 0.3  # within which the other farms of a network have answered, too


class _Farms(ServiceListener):
    def __init__(self) -> None:
        self.urls: list[str] = []
        self.found = threading.Event()

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        info = zc.get_service_info(type_, name)
        if info is None:
            return
        said = (info.properties or {}).get(URL.encode())
        addresses = info.parsed_scoped_addresses()
        url = said.decode() if said else f"http://{addresses[0]}:{info.port}" if addresses else None
        if url is not None and url not in self.urls:
            self.urls.append(url)
            self.found.set()

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.add_service(zc, type_, name)

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        """A farm that goes away while we look is noticed when it does not answer."""


def find_farms(seconds: float = 3.0, interfaces: list[str] | None = None) -> list[str]:
    """Addresses of farms that announce themselves. Returns soon after the first. Empty without a network."""
    try:
        network = Zeroconf(interfaces=interfaces) if interfaces else Zeroconf()
    except OSError:
        return []
    farms = _Farms()
    try:
        ServiceBrowser(network, SERVICE_TYPE, farms)
        if farms.found.wait(seconds):
            time.sleep(_OTHERS_SECONDS)
        return list(farms.urls)
    finally:
        network.close()
