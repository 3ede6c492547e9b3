"""Operators' pages of checkout: payers, what they let merchants take, the catalogue of methods, risk, routing."""

from checkout.admin.agreements import AgreementRequestAdmin, PayerAgreementAdmin
from checkout.admin.catalogue import PaymentMethodAdmin
from checkout.admin.payers import PayerWalletAdmin
from checkout.admin.risk import (
    RiskDecisionAdmin,
    RiskListEntryAdmin,
    RiskReviewAdmin,
    RiskRuleAdmin,
)
from checkout.admin.risk_tables import build_risk_tables
from checkout.admin.routing import RouteBookVersionAdmin, build_order_tables
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import extend_page

extend_page(numbers.ORDER, build_risk_tables)
extend_page(numbers.ORDER, build_order_tables)

__all__ = [
    "AgreementRequestAdmin",
    "PayerAgreementAdmin",
    "PayerWalletAdmin",
    "PaymentMethodAdmin",
    "RiskDecisionAdmin",
    "RiskListEntryAdmin",
    "RiskReviewAdmin",
    "RiskRuleAdmin",
    "RouteBookVersionAdmin",
]
