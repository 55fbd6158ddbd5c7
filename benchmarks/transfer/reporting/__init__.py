"""Tables, plots and pages from whatever runs exist."""
