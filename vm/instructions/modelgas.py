"""0xc4 MODELGAS: what an INFER would cost now."""

from __future__ import annotations

from eth.abc import ComputationAPI

from vm.instructions.call import total_price
from vm.instructions.outcome import model_operand
from vm.registry.state import config_of


def modelgas(computation: ComputationAPI) -> None:
    """MODELGAS.

    Stack
        model, inSize → gas

    Gas
        Access.

    Result
        Price plus author fee of an INFER now, cold load included if the model is not yet loaded
        in this transaction; 0 when the model is not callable or the size is illegal.
    """
    # Stack
    model, in_size = computation.stack_pop_ints(2)
    # Gas
    computation.consume_gas(config_of(computation.state).prices.access_gas, reason="MODELGAS")
    # Result
    computation.stack_push_int(total_price(computation, model_operand(model), in_size))
