"""Where records come from: one recorder per augmentation library."""
