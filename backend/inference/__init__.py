"""What administrators and operators see of the inference gateway, and do about it."""
