"""The trained models: their files and records, their cards, and how they get here."""
