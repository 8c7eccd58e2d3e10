"""Operators, one file each: shape rule, bounds, cost and reference kernel."""
