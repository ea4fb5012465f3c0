"""Doorward itself: that it hears, that nobody switches it off, that it keeps within its rates. Pure."""
