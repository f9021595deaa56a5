"""Data sets, their cache, augmentation and sampling."""
