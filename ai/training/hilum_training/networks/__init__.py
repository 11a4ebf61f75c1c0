"""The networks: backbones, what is built on them, and weights that they can start from."""
