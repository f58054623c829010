"""Servers that stand for what cannot be had in a test; each speaks the real wire format."""
