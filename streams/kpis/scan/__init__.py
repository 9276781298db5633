"""Columns straight from a chunk's bytes: compiled code reads the records of the usual shape, all others are decoded."""
