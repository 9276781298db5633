"""From scores to comparable surprise, and from surprise to alerts as rare as was agreed."""
