"""The demo shop: a merchant of its own that knows the platform only by its HTTP API.

It uses the client that every merchant installs (sdk/python); here that is taken from beside the platform.
"""

import sys
from pathlib import Path

_CLIENT = str(Path(__file__).resolve().parents[2] / "sdk" / "python")
if _CLIENT not in sys.path:
    sys.path.append(_CLIENT)
