"""Recipes: known networks turned into integer models."""
