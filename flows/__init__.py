"""Runs the loop: settings, wiring, the steps in order, the Prefect flows and the command line.

Imports every room; it is the only one that knows Prefect.
"""
