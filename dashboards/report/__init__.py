"""What came of a replay, as one page that needs nothing but a browser."""
