"""Tables scored by an exported model in a Beam pipeline."""
