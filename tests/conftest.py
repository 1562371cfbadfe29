"""For all tests: the services they need, and no skipping (tests/services.py)."""

pytest_plugins = ["tests.services"]
