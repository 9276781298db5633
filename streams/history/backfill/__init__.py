"""What Prometheus would have, had it looked at all times: replayed KPIs as blocks of its own."""
