"""How good detection is: labelled series, what they are scored by, what else there is to compare with."""
