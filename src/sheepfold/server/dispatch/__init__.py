"""Which session renders which tile: eligibility, ordering, claims, leases."""
