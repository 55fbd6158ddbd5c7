"""What every host needs of AugSelf, whichever it is; knows PyTorch and this library alone."""
