"""Looks at a deployment with the caller's credentials, and says item by item what is wrong and what to do about it."""
