"""What Jobferry costs, as ratios in one run. `make bench`."""
