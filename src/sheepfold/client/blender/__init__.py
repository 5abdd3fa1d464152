"""Running Blender: command line, log, process, two ways to render a frame. Knows nothing of farms or HTTP."""
