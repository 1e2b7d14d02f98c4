"""Sabotage: components that break one promise each, to see that the judge catches them.

Each one is a mistake that somebody has made: most are in the complaints about other systems.
"""
