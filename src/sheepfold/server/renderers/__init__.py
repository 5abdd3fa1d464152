"""Blender builds: one archive for each platform."""
