"""From a run to a model package: the graph, its smaller variants, the check against PyTorch, manifest and card."""
