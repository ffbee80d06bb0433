"""The money of the account."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.testing.simulator.api.call import Answer, OperationCall

if TYPE_CHECKING:
    from service.testing.simulator.account import Account


@dataclass
class Billing:
    """The balance, in US dollars. Nothing that the simulator does costs anything."""

    balance: float = 100.0


def retrieve_balance(account: "Account", _call: OperationCall) -> Answer:
    """Show the balance. Source: the SDK's `BalanceRetrieveResponse`, with amounts as texts."""
    amount = f"{account.billing.balance:.2f}"
    shown = {"record_type": "balance", "currency": "USD", "credit_limit": "0.00", "pending": "0.00"}
    return Answer({"data": {"balance": amount, "available_credit": amount, **shown}})
