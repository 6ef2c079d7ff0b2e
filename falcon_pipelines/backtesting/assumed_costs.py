"""What trading is taken to cost where a spec does not say: never nothing."""

from falcon_pipelines.strategies.spec import Spec

ASSUMED_FEE_BPS = 1.0
ASSUMED_SLIPPAGE_BPS = 5.0
"""Costs per side: nobody trades for free, so leaving them out would flatter."""


def with_assumed_costs(spec: Spec) -> Spec:
    """The spec as it is where it states a cost, else with the assumed ones."""
    if {"fee_bps", "slippage_bps"} & spec.execution.model_fields_set:
        return spec
    assumed = {"fee_bps": ASSUMED_FEE_BPS, "slippage_bps": ASSUMED_SLIPPAGE_BPS}
    return spec.model_copy(update={"execution": spec.execution.model_copy(update=assumed)})
