"""Example images: what a team's own containers look like from the inside."""
