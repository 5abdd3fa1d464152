"""The edge for programs: JSON with tokens."""
