"""`python3 run.py bench`: what a payment costs on this machine, measured against PostgreSQL alone."""
