"""Destinations: the list, the form, test sends, how deliveries went."""
