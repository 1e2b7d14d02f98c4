"""AWS in memory, obeying what AWS documents and what was seen of it; each client has the methods that Jobferry calls."""
