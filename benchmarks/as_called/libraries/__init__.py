"""One module a framework: `calls(library, way, data)` returns `Calls`."""
