"""Fee contracts 费率合同: a new one beside the old ones, which orders made under them keep."""

from __future__ import annotations

from typing import Any

import msgspec

from acquiring.business_calendar import MAX_SETTLEMENT_DAYS
from acquiring.contracts import Method
from acquiring.fee_terms import MAX_RATE_PPM, FeeTerm, find_term_faults
from acquiring.models import FeeContract, Merchant
from acquiring.settlement_contracts import NewFeeContract
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import InvalidRequest, NotFound


def read_terms(data: Any) -> tuple[FeeTerm, ...]:
    """Read terms out of plain JSON data. Raises InvalidRequest for what no terms can be."""
    try:
        return msgspec.convert(data or [], tuple[FeeTerm, ...])
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The terms are not valid: {error}") from error


def check_fee_contract(*, new: NewFeeContract) -> None:
    """Raise NotFound or InvalidRequest for a contract that cannot be made."""
    if not Merchant.objects.filter(pk=new.merchant_no).exists():
        raise NotFound(f"There is no merchant {new.merchant_no}.")
    faults = find_term_faults(new.terms, methods=list(Method))
    if not 0 <= new.rate_ppm <= MAX_RATE_PPM:
        faults.append(f"the rate is not between 0 and {MAX_RATE_PPM} millionths")
    if not 0 <= new.settlement_days <= MAX_SETTLEMENT_DAYS:
        faults.append(f"money is released after 0 to {MAX_SETTLEMENT_DAYS} business days")
    if new.valid_from is not None and new.valid_from < database_now():
        faults.append("a contract cannot begin in the past")
    if faults:
        raise InvalidRequest(f"The contract is not valid: {'; '.join(faults)}.")


@transactions.require
def make_fee_contract(*, new: NewFeeContract) -> str:
    """Write a contract for orders created from its date on and return its number (require).

    Orders keep the contract under which they were created. Raises as ``check_fee_contract`` does.
    """
    check_fee_contract(new=new)
    contract = FeeContract.objects.create(
        contract_no=numbers.new_number(numbers.FEE_CONTRACT),
        merchant_id=new.merchant_no,
        rate_ppm=new.rate_ppm,
        terms=msgspec.to_builtins(new.terms) or None,
        returned_on_refund=new.returned_on_refund,
        settlement_days=new.settlement_days,
        valid_from=new.valid_from or database_now(),
    )
    return str(contract.contract_no)
