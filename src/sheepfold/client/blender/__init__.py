"""Running Blender: command line, log, process, and the two ways to render a frame. Knows nothing of farms or HTTP."""
