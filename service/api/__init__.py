"""The HTTP API over the tracker, for the console, the local run and a Lambda: routes and wire formats, no policy."""
