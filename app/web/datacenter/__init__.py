"""The pages of self-managed sites: who may open them, and the rules edited there."""
