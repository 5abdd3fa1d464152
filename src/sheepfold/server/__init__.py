"""The farm's server: stages from core up to the edges; ARCHITECTURE.md shows the way of the data."""
