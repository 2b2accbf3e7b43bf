"""How much smoothing, towards what, and how sure that is."""
