"""Keeps what happened (the ledger, the snapshots) and opens the door to production tables.

Imports records; SQLAlchemy for the ledger, Ibis in `warehouse` alone.
"""
