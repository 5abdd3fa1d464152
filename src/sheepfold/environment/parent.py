"""Lets a process end when the one that started it is gone, also one that was killed."""

import os
import signal
import threading

SUPERVISED = "--supervised"  # the option of `sheepfold` that asks for it


def end_with_parent() -> None:
    """Watch standard input, a pipe that the system closes when the parent ends, and then end as by SIGTERM."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
