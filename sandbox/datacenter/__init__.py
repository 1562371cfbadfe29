"""The same small Jira as its owner would run it: REST v2, tokens of people, webhooks.

Sources: Jira Data Center REST API reference (v2), "Using personal access tokens",
"Managing webhooks", "Webhooks" (Jira Server platform).
"""
