"""How the log of a stopped container gets to S3: when it is due, which lane reads it, and the receipt."""
