"""The edge for people: pages, forms, live updates."""
