"""Tiles: planning them and the only writer of their status."""
