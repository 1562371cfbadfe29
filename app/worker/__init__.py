"""Carries out runs: claim, confirm, act, settle; a transaction a settlement."""

from app.worker.carriers import Carriers
from app.worker.loop import Worker
from app.worker.proving import Prover

__all__ = ["Carriers", "Prover", "Worker"]
