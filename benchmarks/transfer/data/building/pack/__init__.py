"""The quickstart's pack: small tasks of the pictures that may be passed on freely."""
