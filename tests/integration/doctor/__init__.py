"""What `jobferry doctor` says of each thing that may be wrong."""
