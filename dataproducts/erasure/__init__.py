"""Erasure: the lawful exception to immutability. Recorded, everywhere, for ever."""
