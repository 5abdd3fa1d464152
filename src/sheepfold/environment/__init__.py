"""Makes a machine ready: the Python environment and the system's packages. Standard library only."""
