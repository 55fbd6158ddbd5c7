"""What the library costs on an accelerator: parts, each tried alone, within a budget of time."""
