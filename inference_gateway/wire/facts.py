"""What a caller is told beside the text, as headers that are the same in every dialect."""

from inference_gateway.generation import Facts


def fact_headers(facts: Facts) -> dict[str, str]:
    """Return which model answered, whether it is a lesser one, whether the cache knew, and what is left of the quota."""
    headers = {
        "X-Lyceum-Model": _printable(facts.model),
        "X-Lyceum-Degraded": "true" if facts.degraded else "false",
        "X-Lyceum-Cache": facts.cache,
    }
    if facts.adapter:
        headers["X-Lyceum-Adapter"] = _printable(facts.adapter)
    remaining = facts.remaining
    told = {
        "RateLimit-Remaining": remaining.requests,
        "RateLimit-Remaining-Tokens": remaining.tokens,
        "RateLimit-Reset": remaining.reset_seconds,
    }
    headers.update({name: str(value) for name, value in told.items() if value is not None})
    return headers


def _printable(text: str) -> str:
    """A server names its model as it likes; a header takes visible ASCII only."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)
