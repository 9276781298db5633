"""The shell around the core: broker, topics, transport, Faust agents, metrics, supervisor."""
