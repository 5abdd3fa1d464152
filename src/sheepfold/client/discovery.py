"""Finds farms on the local network, where nothing had to be configured."""

import threading

from zeroconf import ServiceBrowser, ServiceListener, Zeroconf

SERVICE_TYPE = "_sheepfold._tcp.local."
_ADDRESS = b"url"  # the property under which a farm says its address


class _Farms(ServiceListener):
    def __init__(self) -> None:
        self.urls: list[str] = []
        self.found = threading.Event()

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        info = zc.get_service_info(type_, name)
        if info is None:
            return
        said = (info.properties or {}).get(_ADDRESS)
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
    """Addresses of farms that announce themselves; returns soon after the first. Empty without a network."""
    try:
        network = Zeroconf(interfaces=interfaces) if interfaces else Zeroconf()
    except OSError:
        return []
    farms = _Farms()
    try:
        ServiceBrowser(network, SERVICE_TYPE, farms)
        farms.found.wait(seconds)
        return list(farms.urls)
    finally:
        network.close()
