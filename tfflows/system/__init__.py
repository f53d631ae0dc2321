"""What stands between the library and the operating system: anyone may import it."""
