"""History run again: through the same core as live, apart from it, as fast as it goes."""
