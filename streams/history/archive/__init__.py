"""The archive: every event as it arrived, in Parquet files by topic and date.

A file holds a range of offsets of one partition, and its name says which. So what has been archived is known from the
names alone, a repeat is harmless, and a gap can be seen.
"""
