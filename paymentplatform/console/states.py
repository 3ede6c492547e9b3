"""The state machines of the console, declared once (docs/architecture.md shows them drawn). Pure."""

from paymentplatform.kernel.statemachine import Machine

PROPOSAL = Machine(
    name="proposal",
    table="console_proposal",
    key="proposal_no",
    initial="OPEN",
    moves=(
        ("OPEN", "APPROVED"),  # and executed, in the same transaction
        ("OPEN", "REFUSED"),
        ("OPEN", "WITHDRAWN"),
        ("OPEN", "EXPIRED"),
    ),
    frozen=(
        "proposal_no",
        "kind",
        "subject_no",
        "reference",
        "payload",
        "preview",
        "preview_hash",
        "maker",
        "reason",
        "created_at",
        "expires_at",
    ),
)

MACHINES = (PROPOSAL,)
