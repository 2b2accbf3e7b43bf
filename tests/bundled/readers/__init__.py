"""Answer the items of bundled tasks again, by other means than the scripts that made them."""
