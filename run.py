#!/usr/bin/env python3
"""Run the payment platform: `python3 run.py`. See `python3 run.py --help` for the rest."""

import sys

if sys.version_info < (3, 11):
    sys.exit("The platform needs Python 3.11 or newer; this is %d.%d." % sys.version_info[:2])

from deploy.local.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
