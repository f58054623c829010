"""Search: the passages of a person's courses that speak of what was asked."""
