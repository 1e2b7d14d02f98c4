"""The image `pictures`: makes thumbnails, contact sheets, and reports."""
