"""How many of Jira's calls are verified and recorded in a second, beside others."""
