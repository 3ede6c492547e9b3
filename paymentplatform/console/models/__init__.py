"""Tables of the console."""

from paymentplatform.console.models.audit import AuditLog
from paymentplatform.console.models.factor import OperatorSession, SecondFactor
from paymentplatform.console.models.identity import OperatorIdentity
from paymentplatform.console.models.proof import ProofRun
from paymentplatform.console.models.proposal import Proposal, Transition
from paymentplatform.console.models.volume import SavedView, Volume

__all__ = [
    "AuditLog",
    "OperatorIdentity",
    "OperatorSession",
    "ProofRun",
    "Proposal",
    "SavedView",
    "SecondFactor",
    "Transition",
    "Volume",
]
