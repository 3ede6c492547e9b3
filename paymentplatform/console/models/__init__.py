"""Tables of the console."""

from paymentplatform.console.models.audit import AuditLog
from paymentplatform.console.models.proof import ProofRun
from paymentplatform.console.models.proposal import Proposal, Transition

__all__ = ["AuditLog", "ProofRun", "Proposal", "Transition"]
