"""The overview: how a site is, what to do next, and its charts."""
