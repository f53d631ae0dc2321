"""What public calls take, check and run: arguments, draws, compiled functions."""
