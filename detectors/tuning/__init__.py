"""Finding settings under which a KPI's alerts are fewer and better, and proving it."""
