"""Many machines in one process, over real HTTP; only the time of rendering is made up. Imports the protocol alone."""
