"""Who is told what of an incident, when, and how often: pure, with the wall clock handed in."""
