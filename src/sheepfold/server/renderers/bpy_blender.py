"""Blender's command line for Blender as a Python module: what render farms use of it, done in order as Blender does.

Packed beside the launcher of a renderer and run by the interpreter that has bpy; needs nothing else.
Understood: -b, -o, -f, -a, -s, -e, -j, -F, -x, -E, -S, -t, -P, --python-expr, --python-text, --python-exit-code,
--factory-startup, --disable-autoexec, --enable-autoexec, --version, files to open, and `--` before what is for scripts.
"""

import os
import runpy
import sys
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import bpy

# Words that change nothing here, and how many words belong to each.
IGNORED = {
    "-noaudio": 0, "--no-native-pixels": 0, "-w": 0, "-W": 0, "--debug": 0, "-d": 0, "--debug-memory": 0,
    "--python-use-system-env": 0, "-con": 0, "--offline-mode": 0, "--quiet": 0, "-q": 0, "--log": 1, "--log-level": 1,
    "--log-file": 1, "--verbose": 1, "--app-template": 1, "--gpu-backend": 1, "-setaudio": 1, "--cycles-device": 1,
}  # fmt: skip
LONG = {
    "--background": "-b", "--render-output": "-o", "--render-frame": "-f", "--render-anim": "-a", "--frame-start": "-s",
    "--frame-end": "-e", "--frame-jump": "-j", "--render-format": "-F", "--use-extension": "-x", "--engine": "-E",
    "--scene": "-S", "--threads": "-t", "--python": "-P", "-Y": "--disable-autoexec", "-y": "--enable-autoexec",
    "-v": "--version",
}  # fmt: skip
MAX_THREADS = 1024


class Usage(Exception):
    """The words make no sense."""


class CommandLine:
    """Works through the words. What a later file would reset (engine, threads) is set again before each render."""

    def __init__(self, words: list[str]) -> None:
        self._words = deque(words)
        self._autoexec = False
        self._engine = ""
        self._threads = 0
        self._exit_code = 0  # of an error in a script; 0: go on
        self._steps: dict[str, Callable[[], None]] = {
            "-b": lambda: None,
            "-o": lambda: self._set("filepath", self._word()),
            "-x": lambda: self._set("use_file_extension", self._word() in ("1", "true")),
            "-F": self._format,
            "-E": self._use_engine,
            "-t": self._use_threads,
            "-S": self._scene,
            "-s": lambda: setattr(bpy.context.scene, "frame_start", self._frame(self._word())),
            "-e": lambda: setattr(bpy.context.scene, "frame_end", self._frame(self._word())),
            "-j": lambda: setattr(bpy.context.scene, "frame_step", int(self._word())),
            "-f": self._render_frames,
            "-a": self._render_animation,
            "-P": lambda: self._script(self._run_file),
            "--python-expr": lambda: self._script(_run_text),
            "--python-text": lambda: self._script(lambda name: bpy.data.texts[name].as_module()),
            "--python-exit-code": lambda: setattr(self, "_exit_code", int(self._word())),
            "--factory-startup": lambda: None,
            "--disable-autoexec": lambda: self._allow_scripts(False),
            "--enable-autoexec": lambda: self._allow_scripts(True),
        }

    def run(self) -> None:
        """Everything, in order. Raises Usage, SystemExit, and RuntimeError if a render fails."""
        print(f"Blender {bpy.app.version_string}", flush=True)
        if "--version" in {LONG.get(word, word) for word in self._own_words()}:
            return
        if "--factory-startup" in self._own_words():
            bpy.ops.wm.read_factory_settings()
        self._allow_scripts(False)
        while self._words and self._words[0] != "--":
            word = self._words.popleft()
            self._step(LONG.get(word, word))

    def _own_words(self) -> list[str]:
        words = list(self._words)
        return words[: words.index("--")] if "--" in words else words

    def _step(self, word: str) -> None:
        if word in self._steps:
            self._steps[word]()
        elif word in IGNORED:
            for _ in range(IGNORED[word]):
                self._word()
        elif word.startswith("--debug-"):
            pass
        elif word.startswith("-"):
            print(f"unknown argument, left out: {word}", file=sys.stderr)
        else:
            self._open(word)

    def _word(self) -> str:
        if not self._words:
            raise Usage("the last argument lacks its value")
        return self._words.popleft()

    def _open(self, path: str) -> None:
        print(f"Read blend: {path}", flush=True)
        bpy.ops.wm.open_mainfile(filepath=str(Path(path).resolve()), load_ui=False, use_scripts=self._autoexec)

    def _allow_scripts(self, allowed: bool) -> None:
        self._autoexec = allowed
        bpy.context.preferences.filepaths.use_scripts_auto_execute = allowed

    def _set(self, name: str, value: Any) -> None:
        setattr(bpy.context.scene.render, name, value)

    def _format(self) -> None:
        name = self._word()
        settings = bpy.context.scene.render.image_settings
        if hasattr(settings, "media_type"):  # Blender 5
            settings.media_type = "MULTI_LAYER_IMAGE" if name == "OPEN_EXR_MULTILAYER" else "IMAGE"
        settings.file_format = name

    def _use_engine(self) -> None:
        self._engine = self._word()
        self._apply()

    def _use_threads(self) -> None:
        self._threads = min(int(self._word()), MAX_THREADS)
        self._apply()

    def _apply(self) -> None:
        render = bpy.context.scene.render
        if self._engine:
            render.engine = self._engine
        if self._threads > 0:
            render.threads_mode, render.threads = "FIXED", self._threads

    def _scene(self) -> None:
        bpy.context.window.scene = bpy.data.scenes[self._word()]

    def _script(self, run: Callable[[str], Any]) -> None:
        text = self._word()
        try:
            run(text)
        except Exception:  # noqa: BLE001  # whatever a script does wrong, Blender goes on, unless told to stop
            traceback.print_exc()
            if self._exit_code:
                raise SystemExit(self._exit_code) from None

    def _run_file(self, path: str) -> None:
        runpy.run_path(path, run_name="__main__")

    def _frame(self, text: str) -> int:
        """A number, or `+n` and `-n` counted from the start and the end of the scene."""
        scene = bpy.context.scene
        if text.startswith("+"):
            return int(scene.frame_start) + int(text[1:])
        if text.startswith("-"):
            return int(scene.frame_end) - int(text[1:])
        return int(text)

    def _render_frames(self) -> None:
        for piece in self._word().split(","):
            first, _, last = piece.partition("..")
            for frame in range(self._frame(first), self._frame(last or first) + 1):
                self._render(frame)

    def _render(self, frame: int) -> None:
        """An animation of one frame, as Blender does it; its range is put back before drivers can see it."""
        self._apply()
        scene = bpy.context.scene
        before = scene.frame_start, scene.frame_end

        def put_back(*_arguments: Any) -> None:
            _set_range(scene, *before)

        bpy.app.handlers.render_init.append(put_back)
        try:
            _set_range(scene, frame, frame)
            bpy.ops.render.render(animation=True)
        finally:
            bpy.app.handlers.render_init.remove(put_back)
            put_back()

    def _render_animation(self) -> None:
        self._apply()
        bpy.ops.render.render(animation=True)


def _run_text(text: str) -> None:
    exec(text, {"__name__": "__main__"})  # noqa: S102  # what the option is for


def _set_range(scene: Any, first: int, last: int) -> None:
    """Blender moves the other end when one passes it, so the end is set on both sides of the start."""
    scene.frame_end = last
    scene.frame_start = first
    scene.frame_end = last


def main() -> int:
    """Returns the exit status."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # readers follow it as it is written
    try:
        CommandLine(sys.argv[1:]).run()
    except (Usage, RuntimeError, KeyError, TypeError, ValueError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    print("\nBlender quit", flush=True)
    return 0


def leave(status: int) -> None:
    """End without tidying up: the module may crash while its interpreter is taken down."""
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main())
