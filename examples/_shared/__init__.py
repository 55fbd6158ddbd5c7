"""What several examples share: pictures, small networks, command lines, plots."""
