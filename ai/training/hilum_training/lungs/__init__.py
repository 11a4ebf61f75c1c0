"""The model of the lungs, which severity is measured by: what it learns from, how, how good it is, and its package."""
