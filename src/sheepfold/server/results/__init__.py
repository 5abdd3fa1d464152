"""Uploaded images: checks, accept or reject, points."""
