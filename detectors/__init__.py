"""From KPI to a person: models of what is normal, calibration, incidents, evaluation, tuning."""
