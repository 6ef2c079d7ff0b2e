"""The paper account: orders, fills by the shared fill rules, a double-entry ledger that always balances."""
