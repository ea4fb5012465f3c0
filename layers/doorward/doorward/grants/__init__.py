"""Doors that are opened for a person, for a while, on somebody's word."""
