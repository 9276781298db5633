"""What happened, kept: the archive of events, and what is made of it again."""
