"""Uploaded scenes: intake, archive safety, analysis, settings, packing."""
