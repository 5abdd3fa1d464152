"""People, groups, rights, render keys, API tokens."""
