"""The gateway with a batch for each text: no vector depends on its neighbours, so that two runs agree to the last bit."""

from inference_gateway.app import serve as serve_gateway
from inference_gateway.engines import sentence_encoder
from inference_gateway.engines.lanes import LaneLimits
from ops.runtime.settings import Settings


def serve(settings: Settings) -> None:
    """Run until told to stop."""
    sentence_encoder.CPU_LIMITS = LaneLimits(batch_texts=1)
    sentence_encoder.GPU_LIMITS = sentence_encoder.CPU_LIMITS
    serve_gateway(settings)
