"""Which repair, what each would give, and how sure that is."""
