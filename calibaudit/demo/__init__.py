"""The bundled pair, its tuning data and the recipe that trains it."""
