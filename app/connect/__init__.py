"""The rest of the Atlassian Connect protocol: its descriptor and its install keys."""
