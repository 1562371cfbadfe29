"""The rule editor: its form, what is wrong with a rule, and what it would do."""
