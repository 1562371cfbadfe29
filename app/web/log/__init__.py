"""The verification log: its filters, every event in words, its export."""
