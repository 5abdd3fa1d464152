"""Python reads this at the start of a process that has this folder on its path. It breaks the farm in one way.

`SHEEPFOLD_TEST_BROKEN` names a function of `breakages`; the module that it is for is changed right after its import.
"""

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType

import breakages  # type: ignore[import-not-found]


class _Loader(importlib.abc.Loader):
    def __init__(self, inner: importlib.abc.Loader, breakage: breakages.Breakage) -> None:
        self._inner, self._breakage = inner, breakage

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        self._breakage.change(module)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, breakage: breakages.Breakage) -> None:
        self._breakage = breakage

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._breakage.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._breakage)
        return spec


sys.meta_path.insert(0, _Finder(breakages.BREAKAGES[os.environ["SHEEPFOLD_TEST_BROKEN"]]))
