"""Helpers around the operating system, which any module may import."""
