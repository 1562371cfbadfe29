"""Carries out runs: claim, confirm, act, settle; a transaction a settlement."""

from app.worker.loop import Worker

__all__ = ["Worker"]
