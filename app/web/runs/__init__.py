"""Runs: the list with its filters, one run as a timeline, replay."""
