"""One online model per file; see :mod:`detectors.models.model` for what each must be."""
