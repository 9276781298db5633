"""From alerts to incidents: what belongs together, whom it is about, and what became of it."""
