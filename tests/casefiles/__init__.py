"""Real cases, kept to be replayed: `python -m tests.casefiles` makes them anew."""
