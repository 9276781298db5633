"""Tuning detectors on archived history: the values, the labels, the search."""
