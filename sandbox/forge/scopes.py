"""Which scope each operation of the API wants of a Forge app.

From Jira's OpenAPI document: the classic scopes under `x-atlassian-oauth2-scopes`.
"""

# permissions/check is announced to want it, and may do so already
_READING_POSTS = frozenset({"search_by_post", "list_comments", "check_permissions"})
_USERS = frozenset({"myself", "get_user", "get_user_groups", "assignable"})
_CONFIGURATION = frozenset({"get_rules", "put_rules", "get_roles"})
_DEVOPS = {
    "submit_builds": "write:build-info:jira",
    "submit_deployments": "write:deployment-info:jira",
}
"""Of Jira Software, whose description is another one."""
_NONE = frozenset(
    {"get_server_info", "addon", "get_addon_property", "get_forge_property", "unknown"}
)


def of(method: str, name: str) -> frozenset[str]:
    """By the name of the view that answers it."""
    if name in _NONE:
        return frozenset()
    if name in _DEVOPS:
        return frozenset({_DEVOPS[name]})
    if name in _CONFIGURATION:
        return frozenset({"manage:jira-configuration"})
    if name in _USERS:
        return frozenset({"read:jira-user"})
    reads = method == "GET" or name in _READING_POSTS
    return frozenset({"read:jira-work" if reads else "write:jira-work"})
