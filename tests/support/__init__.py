"""Fakes, builders and waiting helpers: one home for what the tests share."""
