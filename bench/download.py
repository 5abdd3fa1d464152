"""Download of an archive, against nginx serving the same file.

    ./sheepfold bench download [--megabytes 300] [--repeat 9]

Both serve on the loopback interface with one process that answers. Each of 1 and of 16 clients fetches the whole file,
into a buffer that it overwrites. The servers take turns; `speed` is the median of the ratios within a turn. nginx has
`sendfile` on, as every packaged configuration has it. CPU is that of the server's processes, what the kernel does for
them included.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
from support.farm import Served, add_projects, add_sessions, hand_out, new_farm, own_cpu
from support.program import Row, parser, run

BUFFER = 1 << 20  # bytes in one read of a client
CLIENTS = (1, 16)
CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
  fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@dataclass(slots=True)
class Source:
    """A server of the file: where, with which request, and what its processes have used."""

    name: str
    address: tuple[str, int]
    request: bytes
    cpu: Callable[[], float]
    speeds: dict[int, list[float]] = field(default_factory=dict)  # MB/s by number of clients
    costs: dict[int, list[float]] = field(default_factory=dict)  # seconds of CPU for a GB


def main() -> None:
    """Measure and print."""
    made = parser(__doc__)
    made.add_argument("--megabytes", type=int, default=300)
    made.add_argument("--repeat", type=int, default=9)
    run(made.parse_args(), measure)


def measure(options: argparse.Namespace) -> list[Row]:
    """Both servers in turn."""
    if shutil.which("nginx") is None:
        sys.exit("nginx is missing: apt-get install nginx-light")
    size = 2_000_000 if options.quick else options.megabytes * 1_000_000
    with new_farm("sqlite") as farm:
        project = add_projects(1, 1, archive_bytes=size)[0]
        member = add_sessions(1)[0]
        hand_out([member])
        blob = farm.folder / "blobs" / project.archive.sha256[:2] / project.archive.sha256[2:]
        with farm.served() as served, nginx(blob) as reference:
            ours = _our_source(served, project.pk, member.token)
            for _ in range(1 if options.quick else options.repeat):
                for source in (ours, reference):
                    for clients in CLIENTS:
                        _fetch_all(source, clients, size)
    return _rows(ours, reference)


def _our_source(served: Served, job: int, token: str) -> Source:
    head = f"GET /server/archive.php?type=job&job={job} HTTP/1.1\r\nHost: farm\r\n"
    head += f"Cookie: sheepfold={token}\r\nConnection: close\r\n\r\n"
    return Source("Sheepfold", served.address, head.encode(), lambda: own_cpu(served.web))


@contextmanager
def nginx(file: Path) -> Iterator[Source]:
    """One worker that serves this file."""
    with tempfile.TemporaryDirectory(prefix="bench-nginx-") as folder, socket.socket() as probe:
        Path(folder).chmod(0o755)
        (Path(folder) / "root").mkdir()
        shutil.copyfile(file, Path(folder) / "root" / "archive.zip")
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        settings = Path(folder) / "nginx.conf"
        settings.write_text(CONFIGURATION.format(folder=folder, port=port, root=f"{folder}/root"))
        process = subprocess.Popen(["nginx", "-c", str(settings)], stderr=subprocess.DEVNULL)
        try:
            worker = _worker(process.pid)
            head = b"GET /archive.zip HTTP/1.1\r\nHost: farm\r\nConnection: close\r\n\r\n"
            yield Source("nginx", ("127.0.0.1", port), head, lambda: own_cpu(worker))
        finally:
            process.terminate()
            process.wait()


def _worker(master: int) -> psutil.Process:
    until = time.monotonic() + 10
    while not (children := psutil.Process(master).children()):
        if time.monotonic() > until:
            sys.exit("nginx does not start")
        time.sleep(0.05)
    time.sleep(0.2)
    return children[0]


def _fetch_all(source: Source, clients: int, size: int) -> None:
    """Each client in a thread; receiving happens outside Python's lock."""
    lengths: list[int] = []
    threads = [threading.Thread(target=lambda: lengths.append(_fetch(source))) for _ in range(clients)]
    before, started = source.cpu(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, cpu = time.perf_counter() - started, source.cpu() - before
    if lengths != [size] * clients:
        sys.exit(f"{source.name} sent {lengths} instead of {size} bytes each")
    source.speeds.setdefault(clients, []).append(size * clients / took / 1e6)
    source.costs.setdefault(clients, []).append(cpu / (size * clients / 1e9))


def _fetch(source: Source) -> int:
    """Bytes of the body."""
    with socket.create_connection(source.address) as connection:
        connection.sendall(source.request)
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(BUFFER)
        length, buffer = len(head.partition(b"\r\n\r\n")[2]), memoryview(bytearray(BUFFER))
        while received := connection.recv_into(buffer):
            length += received
    return length


def _ratios(ours: list[float], reference: list[float]) -> list[float]:
    return [one / other for one, other in zip(ours, reference, strict=True)]


def _rows(ours: Source, reference: Source) -> list[Row]:
    return [
        {
            "clients": clients,
            "Sheepfold MB/s": median(ours.speeds[clients]),
            "nginx MB/s": median(reference.speeds[clients]),
            "speed": median(_ratios(ours.speeds[clients], reference.speeds[clients])),
            "Sheepfold CPU s/GB": median(ours.costs[clients]),
            "nginx CPU s/GB": median(reference.costs[clients]),
        }
        for clients in CLIENTS
    ]


if __name__ == "__main__":
    main()
