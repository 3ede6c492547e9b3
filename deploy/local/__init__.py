"""The launcher: one checkout, one command, real servers, nothing to install by hand.

Standard library only, because it runs before anything is installed. It imports nothing of the
platform and knows it only from outside: commands to run, addresses to ask, environment to give.
"""
