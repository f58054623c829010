import pytest

from inference_gateway.app import listening_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8101", "127.0.0.1"),
        ("http://localhost:8101", "127.0.0.1"),
        ("http://gateway.internal:8101", "0.0.0.0"),
        ("http://10.0.0.7:8101", "0.0.0.0"),
    ],
)
def test_only_a_gateway_that_others_reach_by_name_listens_beyond_loopback(url: str, address: str) -> None:
    assert listening_address(url) == address
