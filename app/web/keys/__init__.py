"""Signing keys and shared secrets, and code by which a receiver verifies."""
