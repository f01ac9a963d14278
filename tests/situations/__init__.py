"""Situations."""
