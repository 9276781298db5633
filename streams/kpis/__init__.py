"""The pure KPI core: the same functions drive live workers, replay and tuning. No I/O, no clock, no randomness."""
