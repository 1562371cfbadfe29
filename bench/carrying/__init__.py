"""How soon, and how many: runs on their way from Jira's transition to an effect."""
