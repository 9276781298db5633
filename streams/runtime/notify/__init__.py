"""Sending what is due to people, to Alertmanager and to other programs."""
