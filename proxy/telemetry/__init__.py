"""What operators see: metrics, the log line, and the clocks everything is timed with."""
