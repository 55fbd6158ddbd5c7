"""Builds the offline set: real pictures out of Debian and npm packages, seeded, no network."""
