"""Makes pictures out of Debian and npm packages, seeded: the offline set and the pack."""
