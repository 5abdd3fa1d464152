"""The render node. It imports the protocol and nothing of the server."""
