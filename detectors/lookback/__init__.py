"""Looking back on judged history: what two runs of it have in common, what was missed, what was held to be golden."""
