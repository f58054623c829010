"""What a request costs: prices per 1,000 tokens, by upstream, as the routing file names them."""

from decimal import Decimal

import msgspec


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of 1,000 tokens read and 1,000 tokens written, in the currency of the bill."""

    prompt: Decimal = Decimal(0)
    completion: Decimal = Decimal(0)

    def of(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """Return what so many tokens cost, to a billionth."""
        return ((prompt_tokens * self.prompt + completion_tokens * self.completion) / 1000).quantize(Decimal("1e-9"))
