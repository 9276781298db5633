"""Labelled series from files, through a detector, and what comes of it: the shell of :mod:`detectors.evaluation`."""
