"""Ways to run the platform. `deploy.local` is the launcher behind `python3 run.py`."""
