"""Chooses rows for people with known probabilities and brings their answers home.

Imports records, numpy and pandas; label_studio_sdk and httpx in `wire` alone.
"""
