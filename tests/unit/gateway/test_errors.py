"""Errors: one code each, back to the same class."""

from inference_gateway import errors
from inference_gateway.errors import GatewayError, GatewayOverloaded, GatewayUnavailable, RequestRefused, error_for


def test_every_class_has_a_code_of_its_own_and_is_found_by_it() -> None:
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GatewayError)]

    assert len({kind.code for kind in classes}) == len(classes) >= 14
    for kind in classes:
        assert error_for(kind.code, 0) is kind
        assert kind().detail


def test_an_unknown_code_is_judged_by_its_status() -> None:
    assert error_for("new_code", 429) is GatewayOverloaded
    assert error_for("new_code", 418) is RequestRefused
    assert error_for("new_code", 500) is GatewayUnavailable
