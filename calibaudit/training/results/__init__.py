"""What came out of a tuning run, as plain values: read and shown without anything that trains."""
