"""What people do with a replay: compare two, keep golden incidents, ask what was missed, take back what was learned."""
