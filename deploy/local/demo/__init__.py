"""`jobferry demo`: real jobs of every kind of ending, and a check of every claim."""
