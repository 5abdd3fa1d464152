# Stands for Blender where the test is about the client. It obeys the JSON in the scene file:
#   lines: what to print; sleep: seconds; children: processes to start that sleep; hold: file to wait for;
#   started: file to write our process id to; exit: exit code; image: whether to write one (default yes).
import json
import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\xff\x80\x00")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


words = sys.argv[1:]
orders = json.loads(Path(words[words.index("-b") + 1]).read_text())
output, frame = words[words.index("-o") + 1], int(words[words.index("-f") + 1])
print("Fra:1 Mem:8.0M (Peak 9.5M) | Time:00:00.01 | Remaining:00:01.00 | Scene | Sample 1/2", flush=True)
for line in orders.get("lines", []):
    print(line, flush=True)
children = [subprocess.Popen(["sleep", "600"]) for _ in range(orders.get("children", 0))]
if "started" in orders:
    marker = Path(orders["started"])
    marker.with_suffix(".new").write_text(json.dumps([os.getpid(), *(child.pid for child in children)]))
    marker.with_suffix(".new").rename(marker)
while "hold" in orders and not Path(orders["hold"]).exists():
    time.sleep(0.02)
time.sleep(orders.get("sleep", 0))
if orders.get("image", True):
    Path(f"{output}{frame:04d}.png").write_bytes(png())
sys.exit(orders.get("exit", 0))
