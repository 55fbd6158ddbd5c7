"""Adapters: one file per host framework, each imports its host itself."""
