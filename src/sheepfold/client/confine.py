"""Runs a program with fewer rights than its caller: `python confine.py OPTIONS -- PROGRAM ARGUMENTS…` (Linux).

A file of its own with the standard library alone: it is started as a script, inside the cage, before Blender. It
replaces itself by the program, so it costs no process.
"""

import argparse
import ctypes
import os
import platform
import resource
import signal
import stat
import struct
import sys

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_FILTER = 2
# linux/landlock.h: the numbers of the three system calls are the same on all architectures.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_QUERY, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14
_ALL_RIGHTS_BY_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | (1 << 15)
_TCP = 0b11  # bind and connect, from version 4
_SCOPES = 0b11  # abstract sockets and signals, from version 6
# asm/unistd.h: number of `socket`; linux/audit.h: identity of the architecture
_SOCKET = {"x86_64": (41, 0xC000003E), "aarch64": (198, 0xC00000B7)}
_EPERM = 1
CANNOT_START = 126  # the exit status that shells use for it

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Give rights up, then become the program."""
    options = _options()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if options.processes is not None:
        resource.setrlimit(resource.RLIMIT_NPROC, (options.processes, options.processes))
    if options.landlock:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _restrict_files(options.read, options.write)
        _forbid_sockets()
    if options.program:
        _become(options.program)


def _become(program: list[str]) -> None:
    try:
        os.execvp(program[0], program)  # noqa: S606 - that is its purpose
    except OSError as error:
        print(f"confine: {program[0]} cannot be started: {error.strerror}", file=sys.stderr)
        sys.exit(CANNOT_START)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, help="most processes and threads of this user in this namespace")
    parser.add_argument("--landlock", action="store_true", help="only the named paths, no sockets")
    parser.add_argument("--read", action="append", default=[], help="a path that may be read and executed")
    parser.add_argument("--write", action="append", default=[], help="a path that may be changed")
    parser.add_argument("program", nargs="*")
    return parser.parse_args()


def _restrict_files(readable: list[str], writable: list[str]) -> None:
    version = _call(_CREATE_RULESET, None, 0, _VERSION_QUERY)
    rights = max(all_rights for first, all_rights in _ALL_RIGHTS_BY_VERSION.items() if first <= version)
    parts = [rights, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0]
    size = 8 if version < 4 else 16 if version < 6 else 24
    attributes = struct.pack("=QQQ", *parts)[:size]
    ruleset = _call(_CREATE_RULESET, attributes, size, 0)
    for path in readable:
        _allow(ruleset, path, _READ & rights)
    for path in writable:
        _allow(ruleset, path, rights)
    _call(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.fstat(handle).st_mode):
        rights &= _OF_FILES
    _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, handle), 0)
    os.close(handle)


def _forbid_sockets() -> None:
    """A filter for the kernel: `socket` fails with EPERM. Landlock alone knows TCP only."""
    number, architecture = _SOCKET[platform.machine()]
    load, jump_if_equal, answer = 0x20, 0x15, 0x06
    allow, deny, kill = 0x7FFF0000, 0x00050000 | _EPERM, 0x80000000
    program = [
        (load, 0, 0, 4),  # the architecture of the call
        (jump_if_equal, 1, 0, architecture),
        (answer, 0, 0, kill),
        (load, 0, 0, 0),  # its number
        (jump_if_equal, 0, 1, number),
        (answer, 0, 0, deny),
        (answer, 0, 0, allow),
    ]
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, header)


def _prctl(option: int, *arguments: "int | bytes") -> None:
    words = [argument if isinstance(argument, bytes) else ctypes.c_ulong(argument) for argument in arguments]
    padding = [ctypes.c_ulong(0)] * (4 - len(words))
    if _libc.prctl(ctypes.c_int(option), *words, *padding) != 0:
        _fail("prctl")


def _call(number: int, *arguments: "int | bytes | None") -> int:
    words = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        _fail(f"system call {number}")
    return result


def _fail(what: str) -> None:
    sys.exit(f"confine: {what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
