"""The edge for machines: decode, one call, encode."""
