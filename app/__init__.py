"""Countersign: verified in, signed out, and never silent about a failure."""
