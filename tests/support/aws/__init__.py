"""AWS in memory, obeying what AWS documents and what was seen of it; clients have the methods that we call."""
