"""Rules of agreement over headers: no clock, no socket, no waiting."""
