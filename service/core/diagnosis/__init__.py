"""How an attempt ended, and what that means: the class of a failure, how sure it is, and what can mend it."""
