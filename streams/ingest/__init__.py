"""Ways in: file import and the simulator."""
