"""The state machine of the ledger, declared once (docs/architecture.md shows it drawn). Pure."""

from paymentplatform.kernel.statemachine import Machine

HOLD = Machine(
    name="hold",
    table="ledger_hold",
    key="hold_no",
    initial="OPEN",
    moves=(("OPEN", "CAPTURED"), ("OPEN", "RELEASED")),
    frozen=("hold_no", "account_id", "amount", "reference", "created_at"),
)

MACHINES = (HOLD,)
