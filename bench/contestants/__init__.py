"""Who is measured: each contestant is a real process, prepared once per mode and visited in turn."""
