"""Machines and their sessions: what they can do, when they were last heard of."""
