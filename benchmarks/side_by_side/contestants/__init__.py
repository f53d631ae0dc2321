"""One module a library: CONTESTANTS by workload, and its versions."""
