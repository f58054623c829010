"""`python -m ops.local.vectors`: the server alone, settings from the environment."""

from ops.local.vectors.app import serve
from ops.runtime.settings import load_settings

serve(load_settings())
