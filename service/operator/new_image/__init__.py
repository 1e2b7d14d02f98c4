"""`jobferry catalog new`: what an image of one's own begins with."""
