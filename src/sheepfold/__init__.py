"""Sheepfold: a render farm for Blender that anyone can host."""

__version__ = "0.1.0"
