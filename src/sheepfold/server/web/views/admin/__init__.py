"""Pages for those who run the farm. For others none of them exists."""
