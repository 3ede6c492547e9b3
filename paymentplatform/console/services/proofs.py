"""Proofs: every invariant in one snapshot, and the answer kept for whoever asks later."""

from __future__ import annotations

from collections.abc import Callable

from paymentplatform.console.models import ProofRun
from paymentplatform.console.selectors import Proof, prove_invariants
from paymentplatform.kernel import context, jobs, numbers, transactions
from paymentplatform.kernel.invariants import Difference, Invariant

KEPT_DIFFERENCES = 200
PROOF_TASK = "console.take_proof"


def _say_nothing(_invariant: Invariant) -> None:
    """Nobody wants to know."""


@transactions.forbid
def take_proof(
    *, on_done: Callable[[Invariant], None] = _say_nothing, keep: bool = True
) -> tuple[str | None, Proof]:
    """Ask every invariant in one snapshot and keep the answer; returns its number and the proof (forbid).

    With ``keep`` False nothing is written, and there is no number.
    """
    proof = prove_invariants(on_done=on_done)
    return keep_proof(proof=proof) if keep else None, proof


@transactions.start
def keep_proof(*, proof: Proof) -> str:
    """Write down what a proof has shown, the first KEPT_DIFFERENCES rows of it; returns its number (start)."""
    row = ProofRun.objects.create(
        proof_no=numbers.new_number(numbers.PROOF),
        taken_at=proof.taken_at,
        asked_by=context.actor.get(),
        result=ProofRun.Result.BROKEN if proof.violations else ProofRun.Result.HOLDS,
        violation_count=len(proof.violations),
        in_flight_count=len(proof.in_flight),
        milliseconds=round(1000 * sum(proven.seconds for proven in proof.invariants)),
        invariants=[
            {
                "number": proven.invariant.number,
                "title": proven.invariant.title,
                "violations": len(proven.violations),
                "in_flight": len(proven.in_flight),
                "milliseconds": round(1000 * proven.seconds),
            }
            for proven in proof.invariants
        ],
        differences=[
            _describe(found) for found in (*proof.violations, *proof.in_flight)[:KEPT_DIFFERENCES]
        ],
    )
    return str(row.proof_no)


@transactions.require
def ring_for_proof() -> None:
    """Have a worker take a proof once the caller's transaction is done (require)."""
    jobs.ring(PROOF_TASK)


def _describe(found: Difference) -> dict[str, object]:
    return {
        "invariant": found.invariant,
        "subject": found.subject,
        "problem": found.problem,
        "in_flight": found.in_flight,
    }
