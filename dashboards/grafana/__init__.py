"""Grafana dashboards as code: made of the configuration's KPIs, written as JSON, published, annotated."""
