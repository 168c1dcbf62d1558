"""Runs the loop

Imports  settings, wiring, the Prefect flows and the command line.:every room; it is the only one that knows Prefect.
"""
