"""Gatepass: a self-hosted auth server for mobile apps."""

__version__ = "0.1.0"
