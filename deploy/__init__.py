"""Puts Driftloop on a machine: the local stack of services, the demo, and the files for production.

Imports flows for what they configure; no room imports it.
"""
