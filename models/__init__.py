"""Fits, compares, judges and registers generations.

Imports records, numpy, scipy, pandas and scikit-learn; sklearnex in `accelerate` and MLflow in `registry` alone.
"""
