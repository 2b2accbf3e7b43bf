"""Kinds that take long: walks, tallies over centuries, chains of calendars."""
