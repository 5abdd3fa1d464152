"""What the measuring programs share: options and tables, farms of real processes, cheap HTTP."""
