"""Atlassian's Forge, as far as an app with a remote back end meets it."""
