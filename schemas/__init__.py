"""What crosses a boundary: requests, the catalogue, AWS events, plans and notifications."""
