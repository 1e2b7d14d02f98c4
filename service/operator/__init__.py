"""The `jobferry` command and its verbs, for whoever runs Jobferry."""
