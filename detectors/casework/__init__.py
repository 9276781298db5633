"""From an incident to the orders and tickets behind it: which, what they cost, why it is; and what will be late."""
