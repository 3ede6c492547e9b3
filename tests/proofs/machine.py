"""Whether this machine has time for us: promises in seconds are for a machine that is not busy with other things."""

from __future__ import annotations

import os

LONG = os.environ.get("RUN_LONG") == "1"
IDLE = os.getloadavg()[0] <= (os.cpu_count() or 1)
"""At the start of the run. In the normal run the other workers' tests soon fill it."""

PATIENCE = 1.0 if LONG and IDLE else 2.0
"""What promised seconds are multiplied by."""
