"""Measures a batch against the snapshot, finds the slices that moved, and splits a loss change in its causes.

Imports records, numpy, pandas, scipy and scikit-learn; Evidently in `evidently_report` alone.
"""
