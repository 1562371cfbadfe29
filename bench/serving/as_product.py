"""`python -m bench.serving.as_product NAME`: another app, served as the product is.

All but the app is `countersign serve --web-only` itself, whatever its server is.
"""

import sys

from app.cli import web_serving
from bench.serving.apps import APPS

if __name__ == "__main__":
    web_serving.__dict__["create_app"] = APPS[sys.argv[1]]
    web_serving.serve()
