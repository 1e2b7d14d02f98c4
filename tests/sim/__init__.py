"""Deterministic simulation: the real core, consumers and sweeper on virtual time, against an AWS of memory and malice.

In the manner of FoundationDB and TigerBeetle. One seed is one exact history: it decides every delay, fault, crash and
the order in which whatever is ready runs. What is replaced are the AWS clients; all that is Jobferry's own is real.
"""
