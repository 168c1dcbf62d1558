"""The frozen facts that pass between rooms: plain dataclasses of ids, paths and numbers, and the error tree.

Imports the standard library only; every other room may import it.
"""
